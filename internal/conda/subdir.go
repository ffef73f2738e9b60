package conda

import (
	"terrarium/internal/errs"
)

// maxSubdir is the longest subdir in bytes (CEP 26).
const maxSubdir = 32

// CheckSubdir reports as errs.Invalid what is wrong with a subdir. It accepts
// "noarch" and any PLATFORM-ARCH of lower-case letters and digits (CEP 26),
// known to conda or not: new platforms appear before servers learn of them.
func CheckSubdir(s string) error {
	if IsSubdir(s) {
		return nil
	}
	return errs.New(errs.Invalid,
		"The subdir %q must be noarch or look like linux-64: lower-case letters and digits around one dash, at most %d characters.",
		clip(s), maxSubdir).On("subdir")
}

// IsSubdir reports whether CheckSubdir accepts s.
func IsSubdir(s string) bool {
	if s == "noarch" {
		return true
	}
	dash := -1
	for i := range len(s) {
		switch c := s[i]; {
		case isLowerAlnum(c):
		case c == '-' && dash < 0:
			dash = i
		default:
			return false // a character or second dash that cannot stand here
		}
	}
	return len(s) <= maxSubdir && dash > 0 && dash < len(s)-1
}

// KnownSubdir reports whether conda, conda-index or libmamba have s in their
// list of subdirs. Clients cut only these off the end of a channel URL.
func KnownSubdir(s string) bool {
	switch s {
	case "noarch",
		"emscripten-wasm32", "wasi-wasm32",
		"freebsd-64",
		"linux-32", "linux-64", "linux-aarch64", "linux-armv6l", "linux-armv7l",
		"linux-ppc64", "linux-ppc64le", "linux-riscv32", "linux-riscv64", "linux-s390x",
		"osx-64", "osx-arm64",
		"win-32", "win-64", "win-arm64",
		"zos-z":
		return true
	}
	return false
}

// KnownSubdirs lists the subdirs for which KnownSubdir is true, sorted. The
// slice is the caller's own.
func KnownSubdirs() []string {
	return []string{
		"emscripten-wasm32", "freebsd-64",
		"linux-32", "linux-64", "linux-aarch64", "linux-armv6l", "linux-armv7l",
		"linux-ppc64", "linux-ppc64le", "linux-riscv32", "linux-riscv64", "linux-s390x",
		"noarch", "osx-64", "osx-arm64", "wasi-wasm32",
		"win-32", "win-64", "win-arm64", "zos-z",
	}
}
