//go:build !crash

package app

import (
	"terrarium/internal/index"
	"terrarium/internal/registry"
)

// hasten does nothing in a normal build; see crash.go.
func hasten(*registry.Options, *index.Options) error { return nil }
