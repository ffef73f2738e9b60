package archive_test

import (
	"bytes"
	"strings"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

func TestHostile(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range condatest.Hostile() {
		if seen[c.Name] {
			t.Errorf("the name %q comes twice", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			info, err := archive.Read(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
			if c.Late {
				if err != nil {
					t.Fatalf("Read refuses what only Check should: %v", err)
				}
				err = archive.Check(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
			} else if err == nil {
				t.Fatalf("Read gave %+v", info.Record)
			}
			if errs.KindOf(err) != c.Want {
				t.Errorf("kind %v, want %v: %v", errs.KindOf(err), c.Want, err)
			}
			told := errs.Message(err)
			if !c.Late && !strings.HasSuffix(told, " Nothing was stored.") {
				t.Errorf("the message %q does not say that nothing was stored", told)
			}
			t.Log(errs.Message(err))
		})
	}
}
