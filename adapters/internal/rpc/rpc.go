// Package rpc is what the adapters for remote procedure calls share: which procedure asks for what.
package rpc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/middleware"
)

// Routes says what each procedure asks for. Patterns are "/package.Service/Method", or "/package.Service/" for all of a service's.
type Routes struct {
	Default []middleware.Requirement
	Methods map[string][]middleware.Requirement
	Open    []string
}

// Compile copies the routes, and reports every mistake in them, under the names of the adapter and of its field for Methods.
func (r Routes) Compile(name, methods string) (Routes, error) {
	c := Routes{Default: slices.Clone(r.Default), Methods: map[string][]middleware.Requirement{}, Open: slices.Clone(r.Open)}
	var errs []error
	check := func(field, pattern string) {
		parts := strings.Split(pattern, "/")
		if len(parts) != 3 || parts[0] != "" || parts[1] == "" || strings.Contains(pattern, "*") {
			errs = append(errs, fmt.Errorf(`%s: %s holds %q: want "/package.Service/Method", or "/package.Service/" for the whole service`, name, field, pattern))
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(r.Methods)) {
		check(methods, pattern)
		c.Methods[pattern] = slices.Clone(r.Methods[pattern])
		if slices.Contains(r.Open, pattern) {
			errs = append(errs, fmt.Errorf("%s: %q is in %s and in Open: which is meant?", name, pattern, methods))
		}
	}
	for _, pattern := range r.Open {
		check("Open", pattern)
	}
	return c, errors.Join(errs...)
}

// Unknown reports each pattern that no procedure is of, under the adapter's name.
func (r Routes) Unknown(name string, procedures []string) error {
	known := map[string]bool{}
	for _, procedure := range procedures {
		known[procedure] = true
		known[procedure[:strings.LastIndexByte(procedure, '/')+1]] = true
	}
	var errs []error
	for _, pattern := range slices.Concat(slices.Sorted(maps.Keys(r.Methods)), r.Open) {
		if !known[pattern] {
			errs = append(errs, fmt.Errorf("%s: the server has no %q: is it misspelled?", name, pattern))
		}
	}
	return errors.Join(errs...)
}

// Find returns what a procedure asks for; open is true if it asks for nothing at all. A method's own pattern goes before its service's.
func (r Routes) Find(procedure string) (requirements []middleware.Requirement, open bool) {
	service := procedure[:strings.LastIndexByte(procedure, '/')+1]
	for _, pattern := range []string{procedure, service} {
		if slices.Contains(r.Open, pattern) {
			return nil, true
		}
		if requirements, ok := r.Methods[pattern]; ok {
			return requirements, false
		}
	}
	return r.Default, false
}
