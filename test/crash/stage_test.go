package crash

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/test/program"
)

// staged is an upload in the manner of anaconda-client.
type staged struct {
	spec    condatest.Spec
	body    []byte
	PostURL string            `json:"post_url"`
	Form    map[string]string `json:"form_data"`
	ID      string            `json:"dist_id"`
}

// stageOne announces a file and sends its bytes.
func stageOne(t *testing.T, w *world) {
	server := w.store.Serve(t)
	s := w.stage(t, server)
	if status, answer, err := s.sendBytes(); err == nil {
		t.Fatalf("the bytes were answered with %d: %s", status, answer)
	}
	died(t, server)
}

// stageAgain does it all over, with the commit.
func stageAgain(t *testing.T, w *world, server *program.Server) {
	s := w.stage(t, server)
	status, answer, err := s.sendBytes()
	if err != nil || status != http.StatusCreated {
		t.Fatalf("send the bytes: %d %s %v", status, answer, err)
	}
	w.api(t, http.MethodPost, server.URL+"/api/commit/"+s.path(), map[string]string{"dist_id": s.ID}, nil)
	w.files[s.spec.FileName()].fate = listed
}

func (s staged) path() string {
	return fmt.Sprintf("%s/%s/%s/%s/%s", owner, s.spec.Name, s.spec.Version, s.spec.Subdir, s.spec.FileName())
}

// stage announces a further build of a release that is there.
func (w *world) stage(t *testing.T, server *program.Server) staged {
	t.Helper()
	s := staged{spec: spec("alpha", 1)}
	s.spec.Build = "1"
	s.body = condatest.Make(t, s.spec)
	sum := sha256.Sum256(s.body)
	w.files[s.spec.FileName()] = &file{spec: s.spec, sha256: hex.EncodeToString(sum[:])}
	w.api(t, http.MethodPost, server.URL+"/api/stage/"+s.path(), map[string]any{
		"distribution_type": "conda", "attrs": map[string]any{}, "channels": []string{"main"}, "sha256": hex.EncodeToString(sum[:]),
	}, &s)
	return s
}

// sendBytes posts the form that the announcement asked for.
func (s staged) sendBytes() (status int, answer string, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	sum := md5.Sum(s.body) //nolint:gosec // what the protocol says
	fields := map[string]string{"Content-Length": strconv.Itoa(len(s.body)), "Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}
	for _, part := range []map[string]string{s.Form, fields} {
		for name, value := range part {
			if err := w.WriteField(name, value); err != nil {
				return 0, "", err
			}
		}
	}
	part, err := w.CreateFormFile("file", s.spec.Subdir+"/"+s.spec.FileName())
	if err != nil {
		return 0, "", err
	}
	if _, err := part.Write(s.body); err != nil {
		return 0, "", err
	}
	if err := w.Close(); err != nil {
		return 0, "", err
	}
	resp, err := newClient().Post(s.PostURL, w.FormDataContentType(), &form)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
