//go:build tools

// Package tools pins Helm, which lints and renders deploy/chart; test/helm/build.ts builds it.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
