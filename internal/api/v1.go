package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// prefix is where our own API lives.
const prefix = "/api/v1"

// verdict says in one line of the table who an operation serves; who may do
// what is decided by package access.
type verdict struct {
	who  web.Who
	door bool
}

// operation is one call of /api/v1.
type operation struct {
	verdict
	id      string // unique, in the OpenAPI document and in generated clients
	method  string
	path    string // below prefix; a last part {channel} takes the rest, slashes too
	summary string
	tag     string
	status  int // of success
	secret  bool
}

// v1 collects the operations of /api/v1: huma gives schemas, validation and the
// description, the table of routes stays ours.
type v1 struct {
	face   *Face
	api    huma.API
	routes []web.Route
}

// describe makes the routes of /api/v1 and the document that describes them.
func (f *Face) describe() []web.Route {
	v := &v1{face: f}
	config := huma.DefaultConfig("Terrarium", f.version)
	config.CreateHooks = nil // no $schema members and links
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.Info.Description = "Packages, channels, people and tokens of this instance. Errors are application/problem+json (RFC 9457) " +
		"with `message` and `reason`. Lists come in pages: follow `Link: rel=next`, or give `next` as `after`. " +
		"Every POST takes an Idempotency-Key."
	config.Servers = []*huma.Server{{URL: f.url}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token of this instance."},
	}
	config.Security = []map[string][]string{{"token": {}}, {}}
	config.Transformers = []huma.Transformer{refuse}
	v.api = huma.NewAPI(config, v)
	v.users()
	v.tokens()
	v.organizations()
	v.deletions()
	v.groups()
	v.packages()
	v.files()
	v.channels()
	v.histories()
	v.patches()
	v.trail()
	v.operate()
	v.imports()
	extendErrors(v.api.OpenAPI())

	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(v.api.OpenAPI()) })
	return append(v.routes, web.Route{
		Method: http.MethodGet, Pattern: prefix + "/openapi.json", Who: web.Anybody,
		Handle: func(w http.ResponseWriter, _ *http.Request) error {
			b, err := document()
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", "application/openapi+json")
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			_, _ = w.Write(b) // the client is gone if this fails
			return nil
		},
	})
}

// extendErrors puts the two members of our problem documents that stock clients
// read into the schema of errors.
func extendErrors(document *huma.OpenAPI) {
	schema := document.Components.Schemas.Map()["ErrorModel"]
	if schema == nil {
		return
	}
	text := &huma.Schema{Type: huma.TypeString}
	schema.Properties["message"] = text
	schema.Properties["reason"] = &huma.Schema{Type: huma.TypeString, Description: "A short machine word, such as file-exists."}
	schema.Properties["field"] = &huma.Schema{Type: huma.TypeString, Description: "The member of the request that is wrong."}
	schema.Properties["request"] = &huma.Schema{Type: huma.TypeString, Description: "The number of the request, where something broke here."}
	schema.Properties["errors"] = &huma.Schema{Type: huma.TypeArray, Items: text}
}

// handle adds an operation. The handler gets the actor; its error becomes a
// problem document like every other error of the program.
func handle[I, O any](v *v1, op operation, h func(ctx context.Context, actor access.Actor, in *I) (*O, error)) {
	described := huma.Operation{
		OperationID: op.id, Method: op.method, Path: prefix + op.path, Summary: op.summary, Tags: []string{op.tag},
		DefaultStatus: op.status, MaxBodyBytes: maxBody,
		Metadata: map[string]any{"operation": op},
	}
	if reflect.TypeFor[O]() == reflect.TypeFor[stream]() {
		described.Responses = streamed()
	}
	huma.Register(v.api, described, func(ctx context.Context, in *I) (*O, error) {
		req := requestOf(ctx)
		actor, err := web.Actor(req.r)
		if err == nil && actor.Anonymous() && (op.who == web.Person || op.who == web.Member) {
			err = errs.New(errs.Unauthenticated, "Sign in, or send a token: `Authorization: Bearer TOKEN`.")
		}
		if err != nil {
			req.err = err
			return nil, err
		}
		out, err := h(ctx, actor, in)
		if err != nil {
			req.err = err
			return nil, err
		}
		return out, nil
	})
}

// Handle takes an operation from huma (huma.Adapter).
func (v *v1) Handle(hop *huma.Operation, next func(huma.Context)) {
	op, _ := hop.Metadata["operation"].(operation)
	pattern := hop.Path
	tail := ""
	if i := greedyAt(pattern); i > 0 {
		if _, after, _ := strings.Cut(pattern[i:], "/"); after != "" && !strings.Contains(after, "{") {
			tail = "/" + after
		}
		pattern = pattern[:i] + "*"
	}
	route := web.Route{
		Method: hop.Method, Pattern: pattern, Who: op.who, Mutates: hop.Method != http.MethodGet, Door: op.door,
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			if !strings.HasSuffix(web.Param(r, "*"), tail) {
				return errs.New(errs.NotFound, "There is nothing at this address.")
			}
			req := &request{}
			req.r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
			req.embedded = humachi.NewContext(hop, req.r, w)
			next(req)
			return req.err
		},
	}
	if hop.Method == http.MethodPost {
		route.Handle = v.face.once(op, route.Handle)
	}
	v.routes = append(v.routes, route)
}

// ServeHTTP is what huma.Adapter has for tests of a router that huma makes
// itself; here the router is that of the face.
func (v *v1) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.face.Handler().ServeHTTP(w, r) }

// greedyAt finds where the rest of a path belongs to a channel, whose name may
// hold slashes.
func greedyAt(pattern string) int { return strings.Index(pattern, "{channel}") }

type requestKey struct{}

// embedded lets request embed huma's context beside its method Context.
type embedded = huma.Context

// request is one call of an operation: huma's view of it, and the error that it
// ended with, which the face writes.
type request struct {
	embedded
	r   *http.Request
	err error
}

func requestOf(ctx context.Context) *request {
	req, _ := ctx.Value(requestKey{}).(*request)
	return req
}

// Param gives a part of the path, decoded once. Behind {channel} the path is
// read from the right.
func (q *request) Param(name string) string {
	i := greedyAt(q.Operation().Path)
	if i < 0 || strings.Index(q.Operation().Path, "{"+name+"}") < i {
		return web.Param(q.r, name)
	}
	rest := web.Param(q.r, "*")
	names := strings.Split(q.Operation().Path[i:], "/")
	for len(names) > 1 {
		dir, last := path.Split(rest)
		if names[len(names)-1] == "{"+name+"}" {
			return last
		}
		rest, names = strings.TrimSuffix(dir, "/"), names[:len(names)-1]
	}
	return rest
}

// SetStatus writes the status of a success; the one of an error is written with
// its document.
func (q *request) SetStatus(code int) {
	if q.err == nil {
		q.embedded.SetStatus(code)
	}
}

// BodyWriter takes the body of a success.
func (q *request) BodyWriter() io.Writer {
	if q.err != nil {
		return io.Discard
	}
	return q.embedded.BodyWriter()
}

// notExpected begins the refusal of a request that is not of its form.
const notExpected = "The request is not what is expected here"

// refuse notes what huma found wrong with a request, so that its document is
// written by the face like all others.
func refuse(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	req := requestOf(ctx.Context())
	if req == nil || req.err != nil {
		return v, nil //nolint:nilerr // the first fault is told, not a later one
	}
	kind := errs.Invalid
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		kind = errs.TooLarge
	case m.Status >= http.StatusInternalServerError:
		kind = errs.Internal
	}
	var faults []*errs.Error
	for _, d := range m.Errors {
		at := strings.TrimPrefix(d.Location, "body.")
		faults = append(faults, errs.New(kind, "%s", strings.TrimPrefix(at+": "+d.Message, ": ")).On(at))
	}
	if all := errs.All(notExpected, faults); all != nil {
		req.err = all
	} else {
		req.err = errs.New(kind, "%s.", notExpected)
	}
	return v, nil
}

// Paging chooses a page of a list.
type Paging struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to give."`
	After string `query:"after" doc:"The next of the page before."`
}

// list is one page.
type list[T any] struct {
	Link string `header:"Link" doc:"The next page, rel=next."`
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last."`
	}
}

// page makes one page of a list that the domain gave in pages.
func page[T any](ctx context.Context, items []T, next string) *list[T] {
	out := &list[T]{}
	out.Body.Items, out.Body.Next = items, next
	if next != "" {
		u := *requestOf(ctx).r.URL
		q := u.Query()
		q.Set("after", next)
		u.RawQuery = q.Encode()
		out.Link = "<" + (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String() + `>; rel="next"`
	}
	return out
}

// slice makes one page of a list that the domain gives whole. key must be
// unique and in the order of the list.
func slice[S, T any](ctx context.Context, all []S, p Paging, key func(S) string, show func(S) T) *list[T] {
	if p.After != "" {
		for i, v := range all {
			if key(v) == p.After {
				all = all[i+1:]
				break
			}
			if i == len(all)-1 {
				all = nil // it went meanwhile; the caller begins anew
			}
		}
	}
	next := ""
	if len(all) > p.Limit {
		all = all[:p.Limit]
		next = key(all[p.Limit-1])
	}
	return page(ctx, each(all, show), next)
}

// made answers 201 with the address of what was made.
type made[T any] struct {
	Location string `header:"Location"`
	Body     T
}

// one answers a thing.
type one[T any] struct{ Body T }

// nothing answers 204.
type nothing struct{}
