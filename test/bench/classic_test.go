//go:build bench

package bench

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// classic sends a package as `anaconda upload` does where package and release are
// not known yet: it makes both, announces the file, sends its bytes, and commits. It
// gives the time from the first call to the last answer.
func (c *client) classic(u upload) (time.Duration, error) {
	owner, _, _ := strings.Cut(c.channel, "/")
	version := strings.Split(strings.TrimPrefix(u.fileName, u.name+"-"), "-")[0]
	file := fmt.Sprintf("%s/%s/%s/%s/%s", owner, u.name, version, subdir, u.fileName)
	sha, sum := sha256.Sum256(u.body), md5.Sum(u.body) //nolint:gosec // what the protocol says
	stage, err := json.Marshal(map[string]any{
		"distribution_type": "conda", "attrs": map[string]any{}, "channels": []string{strings.TrimPrefix(c.channel, owner+"/")}, "sha256": hex.EncodeToString(sha[:]),
	})
	if err != nil {
		return 0, err
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, value := range map[string]string{"Content-Length": strconv.Itoa(len(u.body)), "Content-MD5": base64.StdEncoding.EncodeToString(sum[:])} {
		if err := w.WriteField(name, value); err != nil {
			return 0, err
		}
	}
	part, err := w.CreateFormFile("file", u.fileName)
	if err != nil {
		return 0, err
	}
	if _, err := part.Write(u.body); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}

	begun := time.Now()
	if _, err := c.call(http.MethodPost, "/api/package/"+owner+"/"+u.name, []byte(`{"public":true,"public_attrs":{"name":"`+u.name+`","summary":"of the bench"}}`)); err != nil {
		return 0, err
	}
	if _, err := c.call(http.MethodPost, "/api/release/"+owner+"/"+u.name+"/"+version, []byte(`{"requirements":[],"announce":false,"description":"of the bench"}`)); err != nil {
		return 0, err
	}
	answer, err := c.call(http.MethodPost, "/api/stage/"+file, stage)
	if err != nil {
		return 0, err
	}
	var staged struct {
		PostURL string `json:"post_url"`
		ID      string `json:"dist_id"`
	}
	if err := json.Unmarshal(answer, &staged); err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodPost, staged.PostURL, &form)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	status, answer, err := c.do(req)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("bytes of %s: %d %s", u.fileName, status, answer)
	}
	if err != nil {
		return 0, err
	}
	_, err = c.call(http.MethodPost, "/api/commit/"+file, []byte(`{"dist_id":"`+staged.ID+`"}`))
	return time.Since(begun), err
}
