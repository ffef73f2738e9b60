package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 255

// keptHeaders are those of an answer that is given again.
var keptHeaders = [...]string{"Content-Type", "Location"}

// once carries a POST with an Idempotency-Key out only once: sent again, the
// request gets the first answer. Only successes are kept, since what failed
// changed nothing. A secret that the first answer showed is not shown again.
func (f *Face) once(op operation, h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		key := r.Header.Get("Idempotency-Key")
		c := web.CallerOf(r)
		if key == "" || c.Err != nil || c.Actor.Anonymous() {
			return h(w, r)
		}
		if len(key) > maxKey {
			return errs.New(errs.Invalid, "An Idempotency-Key has at most %d bytes.", maxKey).On("Idempotency-Key")
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "The body of the request ended early.")
		}
		if len(body) > maxBody {
			return errs.New(errs.TooLarge, "The body of the request is larger than %d bytes.", maxBody)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		digest := sha256.New()
		fmt.Fprintf(digest, "%s %s\n", r.Method, r.URL.RequestURI())
		digest.Write(body)
		kept, found, err := f.accounts.ClaimKey(r.Context(), c.Actor, key, digest.Sum(nil))
		if err != nil {
			return err
		}
		if found {
			return replay(w, kept)
		}
		return f.first(w, r, op, h, c.Actor, key)
	}
}

// first carries the request out and keeps its answer. That must happen even if
// the caller is gone, for whom else would it be kept.
func (f *Face) first(w http.ResponseWriter, r *http.Request, op operation, h web.Handler, actor access.Actor, key string) (err error) {
	rec := &answerRecorder{ResponseWriter: w, status: http.StatusOK}
	done := false
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		var kerr error
		if done && err == nil && rec.status < 300 {
			kerr = f.keep(ctx, op, actor, key, rec)
		} else {
			kerr = f.accounts.ReleaseKey(ctx, actor, key)
		}
		if kerr != nil {
			web.EventOf(r).Fail(kerr)
		}
	}()
	err = h(rec, r)
	done = true // h may panic
	return err
}

func (f *Face) keep(ctx context.Context, op operation, actor access.Actor, key string, rec *answerRecorder) error {
	body := rec.body.Bytes()
	if op.secret {
		shown := bag{}
		if err := json.Unmarshal(body, &shown); err != nil {
			return fmt.Errorf("read an answer that holds a secret: %w", err)
		}
		delete(shown, "token")
		var err error
		if body, err = json.Marshal(shown, json.Deterministic(true)); err != nil {
			return err
		}
	}
	header := map[string]string{}
	for _, name := range keptHeaders {
		if v := rec.Header().Get(name); v != "" {
			header[name] = v
		}
	}
	raw, err := json.Marshal(header, json.Deterministic(true))
	if err != nil {
		return err
	}
	return f.accounts.KeepAnswer(ctx, actor, key, account.Answer{Status: rec.status, Header: jsontext.Value(raw), Body: body})
}

func replay(w http.ResponseWriter, kept account.Answer) error {
	header := map[string]string{}
	if err := json.Unmarshal(kept.Header, &header); err != nil {
		return fmt.Errorf("read the headers of a kept answer: %w", err)
	}
	for name, v := range header {
		w.Header().Set(name, v)
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(kept.Status)
	_, _ = w.Write(kept.Body) // the client is gone if this fails
	return nil
}

// answerRecorder copies what goes out.
type answerRecorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader notes the status.
func (w *answerRecorder) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}

// Write notes the body.
func (w *answerRecorder) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}
