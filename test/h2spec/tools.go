//go:build tools

// Package tools pins h2spec, the conformance suite for HTTP/2 servers; test/feature/http2-h2spec.test.ts builds it.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
