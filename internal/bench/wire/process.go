package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// server is a child process under load.
type server struct {
	name  string
	url   string
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// pinned prefixes a command so that it runs on one core of two or more.
func pinned(core int, args ...string) []string {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		return args
	}
	return append([]string{"taskset", "-c", strconv.Itoa(core)}, args...)
}

// start runs a server and reads its address from the first line that it writes. It ends with ctx, or when its stdin is closed.
func start(ctx context.Context, name string, env []string, args ...string) (*server, error) {
	s := &server{name: name, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stderr = os.Stderr
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s did not start: %w", name, err)
	}
	s.url = "http://" + strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() {
	s.stdin.Close()
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// cpu is the CPU time, in ns, that the server and its children have had; 0 where /proc can't tell.
func (s *server) cpu() float64 { return cpuOf(s.cmd.Process.Pid) }

func cpuOf(pid int) (ns float64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		if text, err := os.ReadFile(filepath.Join(task, "schedstat")); err == nil {
			on, _, _ := strings.Cut(string(text), " ")
			spent, _ := strconv.ParseFloat(on, 64)
			ns += spent
		}
		children, _ := os.ReadFile(filepath.Join(task, "children"))
		for _, child := range strings.Fields(string(children)) {
			id, _ := strconv.Atoi(child)
			ns += cpuOf(id)
		}
	}
	return ns
}

// resident is the memory of the server, in KiB.
func (s *server) resident() float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib
		}
	}
	return 0
}
