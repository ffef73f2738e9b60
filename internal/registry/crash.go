//go:build crash

package registry

import (
	"os"
	"syscall"
)

// CrashPoints lists the steps at which a program built with the tag "crash"
// kills itself when TERRARIUM_CRASH names one, for the test that looks what is
// left behind.
func CrashPoints() []string {
	return []string{
		pointReceived, pointParsed, pointBlobCommitted, pointStaged,
		pointRowsWritten, pointCommitted, pointPublished,
		pointLargeWritten, pointLargeCommitted, pointImportBatch, pointImportCurrent, pointSwept, pointErased,
	}
}

// point ends the process at once, as a power cut would, if it is the one named.
func point(name string) {
	if os.Getenv("TERRARIUM_CRASH") == name {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
