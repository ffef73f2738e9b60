package failure_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/test/program"
)

// TestLogOfAStop: lines of requests wait in memory for a moment, but a process that
// is told to end has written each of them, in their order.
func TestLogOfAStop(t *testing.T) {
	store := &program.Store{Binary: program.Build(t), Data: filepath.Join(t.TempDir(), "data")}
	server := store.Serve(t)
	const requests = 50
	for i := range requests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/conda/nobody/noarch/line-%d", server.URL, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	server.Stop()
	var got []string
	for line := range strings.Lines(server.Output()) {
		if _, rest, ok := strings.Cut(line, " path=/conda/nobody/noarch/line-"); ok {
			number, _, _ := strings.Cut(rest, " ")
			got = append(got, number)
		}
	}
	for i := range requests {
		if i >= len(got) || got[i] != fmt.Sprint(i) {
			t.Fatalf("the log of %d requests has the lines %s", requests, got)
		}
	}
}
