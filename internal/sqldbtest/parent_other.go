//go:build !linux

package sqldbtest

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}
