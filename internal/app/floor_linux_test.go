package app

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"
)

// TestHeapFloor is that the floor takes no memory, where Go clears it too: in the place
// of something that was there before.
func TestHeapFloor(t *testing.T) {
	before := make([]byte, heapFloor)
	for i := 0; i < len(before); i += os.Getpagesize() {
		before[i] = 1
	}
	runtime.KeepAlive(before)
	runtime.GC()
	floor := newHeapFloor()
	pages := make([]byte, len(floor)/os.Getpagesize())
	if _, _, err := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(floor))), uintptr(len(floor)), uintptr(unsafe.Pointer(unsafe.SliceData(pages)))); err != 0 {
		t.Fatal(err)
	}
	resident := 0
	for _, p := range pages {
		resident += int(p & 1)
	}
	if resident > 0 {
		t.Errorf("%d of %d pages are in memory", resident, len(pages))
	}
	for _, b := range floor {
		if b != 0 {
			t.Fatal("it is not zero")
		}
	}
}
