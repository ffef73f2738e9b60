package model

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
)

// policy is a predicate of the program, and the rules that the model judges by,
// record by record.
type policy struct {
	*index.Predicate
	rules index.Rules
}

func (p *policy) String() string {
	var parts []string
	say := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	if p.rules.AllowLicences != nil {
		say("only %q", p.rules.AllowLicences)
	}
	say("without %q, older than %v", p.rules.DenyLicences, p.rules.MinAge)
	for _, v := range p.rules.Versions {
		say("no %s %v", v.Name, v.Spec)
	}
	for _, m := range p.rules.Specs {
		say("no %v", m)
	}
	return strings.Join(parts, ", ")
}

// newPolicy makes one up. Ages are half an hour off whole hours and the clock is
// moved by whole hours, so nothing comes of age while the test looks.
func (w *world) newPolicy() *policy {
	w.Helper()
	p := &policy{}
	r := &p.rules
	switch some := []string{licences[w.IntN(3)], licences[w.IntN(3)]}; w.IntN(4) {
	case 0:
		r.AllowLicences = []string{some[0], ""} // hotfixes take the licence away
	case 1:
		r.DenyLicences = some
	case 2:
		r.AllowLicences = some
	}
	if w.IntN(2) == 0 {
		r.MinAge = time.Duration(w.IntN(8))*time.Hour + 30*time.Minute
	}
	for range w.IntN(3) {
		text := []string{">=1.2", "<1.1|2.3", "1.1.*", "*", "!=1.2", "2.*", ">=1.1,<2.4"}[w.IntN(7)]
		spec, err := conda.ParseVersionSpec(text)
		if err != nil {
			w.Fatal(err)
		}
		r.Versions = append(r.Versions, index.VersionRule{Name: []string{"many", "p0", "p1", "p2", "p3", "p4"}[w.IntN(6)], Spec: spec})
	}
	texts := []string{"p1 1.* h1*", "p*[build_number='>=2']", "p2[subdir=linux-64]", "*[license=MIT]", "many[fn=*.tar.bz2]", "p* >=1.1 *_1", "many 2.3.*", "*[subdir=osx-arm64]"}
	for range w.IntN(3) {
		text := texts[w.IntN(len(texts))]
		if f := w.pick(func(*file) bool { return true }); w.IntN(3) > 0 {
			text = fmt.Sprintf("*[fn='%s']", f.name) // as a list of files would have it
		}
		spec, err := conda.ParseMatchSpec(text)
		if err != nil {
			w.Fatal(err)
		}
		r.Specs = append(r.Specs, spec)
	}
	var err error
	if p.Predicate, err = index.NewPredicate(*r); err != nil {
		w.Fatal(err)
	}
	return p
}

// govern changes what policies there are, or lets time pass.
func (w *world) govern() {
	w.Helper()
	if w.IntN(3) == 0 {
		w.policies[w.IntN(len(w.policies))] = w.newPolicy()
	}
	if w.IntN(3) == 0 && w.passed < 48*time.Hour { // what is in the trash stays there
		d := time.Duration(1+w.IntN(5)) * time.Hour
		w.Clock.Pass(d)
		w.passed += d
	}
}

// keeps judges a record.
func (p *policy) keeps(w *world, r *record) bool {
	w.Helper()
	if p.rules.AllowLicences != nil && !slices.Contains(p.rules.AllowLicences, r.License) || slices.Contains(p.rules.DenyLicences, r.License) {
		return false
	}
	if seen := time.UnixMilli(r.IndexedTimestamp); p.rules.MinAge > 0 && w.Clock.Now().Sub(seen) <= p.rules.MinAge {
		return false
	}
	target := r.target(w)
	for _, v := range p.rules.Versions {
		if v.Name == r.Name && v.Spec.Match(target.Version) {
			return false
		}
	}
	return !slices.ContainsFunc(p.rules.Specs, func(m conda.MatchSpec) bool { return m.Match(target) })
}

// compareView compares every form of what a policy leaves of a channel with what the
// model leaves, as the channel is (at 0) or was.
func (w *world) compareView(p *policy, path string, at int64, c *channel, generation int64, token string) {
	w.Helper()
	d := door{at: fmt.Sprintf("%s at %d, %v,", path, at, p), keeps: func(r *record) bool { return p.keeps(w, r) }}
	d.read = func(form string) ([]byte, bool) {
		w.Helper()
		body, err := w.formOf(w.opened(path, at, token), p, form)
		if err != nil && !errs.Is(err, errs.NotFound) {
			w.Fatalf("%s: %s: %v", d.at, form, err)
		}
		return body, err == nil
	}
	hidden := w.hidden(c.owner, token)
	w.compareForms(d, c, generation, hidden)
	w.views++
	for _, subdir := range subdirs {
		all := c.at(generation).visible(subdir, hidden)
		left := slices.DeleteFunc(slices.Clone(all), func(r *record) bool { return !p.keeps(w, r) })
		kept, of, err := w.Index.FilteredCount(w.Context(), w.opened(path, at, token), p.Predicate, subdir)
		if err != nil && !errs.Is(err, errs.NotFound) || kept != len(left) || of != len(all) {
			w.Fatalf("%s: of %s %d records of %d are left, want %d of %d: %v", d.at, subdir, kept, of, len(left), len(all), err)
		}
	}
}

// opened opens a channel to ana or to a stranger. No address serves what a policy
// leaves of the past, but a frozen channel is one that is as it was.
func (w *world) opened(path string, at int64, token string) registry.Opened {
	w.Helper()
	actor := access.Anonymous("192.0.2.1")
	var errActor error
	if token != "" {
		actor, errActor = w.Accounts.ActorOf(w.Context(), w.ana.ID, "test", access.Request{})
	}
	owner, name, _ := strings.Cut(path, "/")
	open, err := w.Registry.OpenChannel(w.Context(), actor, owner, name)
	if err := errors.Join(errActor, err); err != nil {
		w.Fatalf("open %s: %v", path, err)
	}
	if at != 0 {
		open.Channel.FrozenAt = &at
	}
	return open
}

// formOf reads a form of what a policy leaves, by the path under which a channel has it.
func (w *world) formOf(open registry.Opened, p *policy, path string) ([]byte, error) {
	w.Helper()
	ctx := w.Context()
	subdir, file, _ := strings.Cut(path, "/")
	if path == "channeldata.json" {
		return read(w.Index.FilteredChanneldata(ctx, open, p.Predicate))
	}
	if shard, ok := strings.CutPrefix(file, "shards/"); ok {
		return w.Index.FilteredShard(ctx, open, p.Predicate, subdir, strings.TrimSuffix(shard, ".msgpack.zst"))
	}
	form := map[string]index.Form{
		"repodata.json": index.RepodataJSON, "repodata.json.zst": index.RepodataZstd, "repodata_shards.msgpack.zst": index.ShardIndex,
		"current_repodata.json": index.CurrentJSON, "current_repodata.json.zst": index.CurrentZstd,
		"run_exports.json": index.RunExportsJSON, "run_exports.json.zst": index.RunExportsZstd,
	}[file]
	v, err := w.Index.Filtered(ctx, open, p.Predicate, subdir)
	if err != nil {
		return nil, err
	}
	return read(v.Document(ctx, form))
}

func read(d *index.Document, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return io.ReadAll(d.Open())
}
