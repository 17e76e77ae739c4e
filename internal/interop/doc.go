// Package interop holds no code, only tests: they run real authorization servers
// (oidc-provider, ory/hydra, glewlwyd and django-oauth-toolkit) and the example programs
// of this repository, get tokens as a client gets them, and check what the programs
// answer.
//
// ./install.sh installs the servers. Then
//
//	go test -count=1 ./...
//
// runs the tests. The -count=1 matters: the go command doesn't see that they depend
// on the rest of the repository and would repeat an old result.
package interop
