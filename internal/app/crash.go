//go:build crash

package app

import (
	"os"
	"time"

	"terrarium/internal/index"
	"terrarium/internal/registry"
)

// hasten lets a program that the crash tests end do in a second of its life, and with
// their small channels, what others do in a minute and with large ones. Each is a
// duration, and as always where it is not set: TERRARIUM_CRASH_LEASE, after which a large
// change that was killed is taken for dead, and TERRARIUM_CRASH_SAVE, how often the states
// of all channels are saved that changed.
func hasten(records *registry.Options, forms *index.Options) (err error) {
	if text := os.Getenv("TERRARIUM_CRASH_LEASE"); text != "" {
		if records.ImportLease, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	if text := os.Getenv("TERRARIUM_CRASH_SAVE"); text != "" {
		if forms.KeepEvery, err = time.ParseDuration(text); err != nil {
			return err
		}
		forms.SaveFrom, forms.SaveAfter = 1, 1
	}
	return nil
}
