package model

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"terrarium/internal/apptest"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// send makes a change as ana, who may make all of them.
func (w *world) send(status int, method, path string, body any) *apptest.Answer {
	w.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			w.Fatal(err)
		}
	}
	return w.Want(w, status, method, path, apptest.Request{Token: w.ana.Token, Body: b})
}

var licences = []string{"MIT", "BSD-3-Clause", "GPL-3.0-only"}

// scripts are files that channeldata.json has a flag for; NAME is that of the package.
var scripts = map[string]string{
	"etc/conda/activate.d/on.sh": "activate.d", "etc/conda/deactivate.d/off.sh": "deactivate.d",
	"bin/.NAME-post-link.sh": "post_link", "bin/.NAME-pre-link.sh": "pre_link", "Scripts/.NAME-pre-unlink.bat": "pre_unlink",
}

// dependency is on one of the few names, of which not every version satisfies it.
func (w *world) dependency() string {
	name, minor := fmt.Sprint("p", w.IntN(5)), w.IntN(4)
	return name + []string{"", fmt.Sprint(" <1.", minor), fmt.Sprintf(" 1.%d.*", minor), fmt.Sprintf(" >=1.%d,<2", minor), fmt.Sprintf("[version='<=1.%d']", minor)}[w.IntN(5)]
}

// spec is a package of few names, so that changes meet.
func (w *world) spec() condatest.Spec {
	s := condatest.Spec{
		Name: fmt.Sprintf("p%d", w.IntN(5)), Version: fmt.Sprintf("1.%d", w.IntN(4)), Build: fmt.Sprintf("h%d_%d", len(w.files), w.IntN(3)),
		Subdir: subdirs[w.IntN(len(subdirs))], License: licences[w.IntN(len(licences))], Timestamp: 1_700_000_000_000 + int64(w.step)*1000,
		Files: map[string]string{"share/made": fmt.Sprint("as number ", len(w.files))},
	}
	s.BuildNumber = int64(s.Build[len(s.Build)-1] - '0')
	s.Depends = []string{w.dependency(), "python >=3." + s.Version[2:]}
	if w.IntN(2) == 0 {
		s.RunExports = &conda.RunExports{Weak: []string{s.Name + " >=" + s.Version}}
	}
	if w.IntN(3) == 0 {
		s.Format = conda.FormatTarBz2
	}
	if w.IntN(2) == 0 {
		s.Summary = fmt.Sprint("summary of ", s.Build)
	}
	for _, path := range slices.Sorted(maps.Keys(scripts)) {
		if w.IntN(12) == 0 {
			s.Files[strings.Replace(path, "NAME", s.Name, 1)] = "echo\n"
		}
	}
	return s
}

// upload sends a new package into a channel.
func (w *world) upload(c *channel) {
	w.Helper()
	s := w.spec()
	if f := w.pick(func(f *file) bool { return w.pairs(f) && w.live(c.owner, f.twin()) == nil }); f != nil && w.IntN(6) == 0 {
		s = *f.spec
		s.Format = conda.FormatConda
		if format(f.name) == 1 {
			s.Format = conda.FormatTarBz2
		}
	}
	w.add(c, s)
}

// pairs reports whether a file may be uploaded in the other format, too: there must
// never have been another package under its name, since the two have to be the same.
func (w *world) pairs(f *file) bool {
	return f.spec != nil && !slices.ContainsFunc(w.files, func(o *file) bool { return o.key() == f.key() && o.spec != f.spec })
}

// twin is the key of the same package in the other format.
func (f *file) twin() string {
	if stem, ok := strings.CutSuffix(f.key(), ".conda"); ok {
		return stem + ".tar.bz2"
	}
	return strings.TrimSuffix(f.key(), ".tar.bz2") + ".conda"
}

func (w *world) add(c *channel, s condatest.Spec) {
	w.Helper()
	w.ana.Upload(w, c.path(), s, "")
	body := condatest.Make(w, s)
	rec := s.Package().Record
	if rec.RunExports = s.RunExports; rec.RunExports == nil {
		rec.RunExports = &conda.RunExports{}
	}
	sum, sum5 := sha256.Sum256(body), md5.Sum(body)
	rec.Size, rec.SHA256, rec.MD5 = int64(len(body)), hex.EncodeToString(sum[:]), hex.EncodeToString(sum5[:])
	f := &file{owner: c.owner, subdir: rec.Subdir, name: s.FileName(), labels: map[string]bool{}}
	f.rec = &record{f, rec}
	f.spec, f.about, f.flags = &s, s.Package().About, map[string]bool{}
	for path, flag := range scripts {
		_, f.flags[flag] = s.Files[strings.Replace(path, "NAME", s.Name, 1)]
	}
	w.files = append(w.files, f)
	delete(w.gone, f.owner+"/"+f.rec.Name)
	c.list(f)
}

// address is that of a file in the API that anaconda-client speaks.
func (f *file) address(call string) string {
	return fmt.Sprintf("/api/%s/%s/%s/%s/%s", call, f.owner, f.rec.Name, f.rec.Version, f.key())
}

// remove puts a file into the trash.
func (w *world) remove(f *file) {
	w.Helper()
	w.send(http.StatusOK, "DELETE", f.address("dist"), nil)
	f.deleted = true
	for _, c := range w.in(f) {
		c.unlist(f)
	}
}

// restore takes a file out of the trash, with the labels it had.
func (w *world) restore(f *file) {
	w.Helper()
	w.send(http.StatusOK, "POST", "/api/v1/trash/"+f.owner+"/"+f.id+"/restore", nil)
	f.deleted = false
	delete(w.gone, f.owner+"/"+f.rec.Name)
	for _, c := range w.in(f) {
		c.list(f)
	}
}

// deleteOwner deletes bolt and, after something else was changed, brings it back:
// meanwhile it is not there, and then it is as it was.
func (w *world) deleteOwner() {
	w.Helper()
	w.send(http.StatusOK, "DELETE", "/api/v1/organizations/bolt?confirm=bolt", nil)
	if w.IntN(4) == 0 {
		w.Restart()
	}
	w.upload(w.channel("ana", "main"))
	for _, path := range []string{"/noarch/repodata.json", "/noarch/repodata_shards.msgpack.zst", "/at/1/noarch/repodata.json.zst", "/channeldata.json"} {
		w.send(http.StatusNotFound, "GET", "/conda/bolt/main"+path, nil)
	}
	if _, err := w.Index.Forget(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.send(http.StatusOK, "POST", "/api/v1/organizations/bolt/restore", nil)
}

func (f *file) selector() map[string]string {
	return map[string]string{"package": f.rec.Name, "version": f.rec.Version, "basename": f.key()}
}

func (w *world) label(f *file, c *channel) {
	w.Helper()
	w.send(http.StatusCreated, "POST", "/api/channels/"+c.path(), f.selector())
	c.list(f)
}

func (w *world) unlabel(f *file, c *channel) {
	w.Helper()
	w.send(http.StatusCreated, "DELETE", "/api/channels/"+c.path(), f.selector())
	c.unlist(f)
	delete(f.labels, c.name)
}

// labelAll puts every file of the owner into a channel.
func (w *world) labelAll(c *channel) {
	w.Helper()
	w.send(http.StatusCreated, "POST", "/api/channels/"+c.path(), map[string]any{"package": nil, "version": nil, "basename": nil})
	for _, f := range w.files {
		if f.owner == c.owner && !f.deleted {
			c.list(f)
		}
	}
}

// unlabelAll takes every file out of a channel.
func (w *world) unlabelAll(c *channel) {
	w.Helper()
	w.send(http.StatusCreated, "DELETE", "/api/channels/"+c.path(), map[string]any{"package": nil, "version": nil, "basename": nil})
	for _, f := range w.files {
		if f.owner == c.owner && !f.deleted && f.labels[c.name] {
			c.unlist(f)
			delete(f.labels, c.name)
		}
	}
}

// copyLabel puts all files of one channel into another of the owner.
func (w *world) copyLabel(from, to *channel) {
	w.Helper()
	w.send(http.StatusCreated, "POST", "/api/channels/"+from.path()+"/copy/"+to.name, nil)
	for _, f := range w.files {
		if f.owner == from.owner && !f.deleted && f.labels[from.name] {
			to.list(f)
		}
	}
}

// withdraw takes a file out of every index, or puts it back.
func (w *world) withdraw(f *file) {
	w.Helper()
	withdrawn, in := !f.withdrawn, w.in(f)
	w.send(http.StatusOK, "PATCH", "/api/v1/files/"+in[len(in)-1].path()+"/"+f.key(), map[string]any{"withdrawn": withdrawn, "why": "a test"})
	f.withdrawn = withdrawn
	for _, c := range w.in(f) {
		if withdrawn {
			c.unlist(f)
		} else {
			c.list(f)
		}
	}
}

// transfer copies a file to another owner.
func (w *world) transfer(f *file, from, to *channel) {
	w.Helper()
	w.send(http.StatusOK, "POST", f.address("copy/package"), map[string]string{"to_owner": to.owner, "from_channel": from.name, "to_channel": to.name})
	c := &file{owner: to.owner, subdir: f.subdir, name: f.name, withdrawn: f.withdrawn, labels: map[string]bool{}, spec: f.spec, about: f.about, flags: f.flags}
	c.rec = &record{c, f.rec.Record}
	fresh := true
	path := to.owner + "/" + f.rec.Name
	for _, o := range w.files {
		fresh = fresh && (o.owner != to.owner || o.rec.Name != f.rec.Name)
	}
	if (fresh || w.gone[path]) && w.private[from.owner+"/"+f.rec.Name] {
		w.private[path] = true
	}
	delete(w.gone, path)
	w.files = append(w.files, c)
	to.list(c)
}

// hide makes a package private or public.
func (w *world) hide(f *file) {
	w.Helper()
	path := f.owner + "/" + f.rec.Name
	if w.private[path] {
		w.send(http.StatusOK, "PATCH", "/api/v1/packages/"+path, map[string]string{"visibility": "public"})
		delete(w.private, path)
		return
	}
	w.send(http.StatusOK, "PATCH", "/api/v1/packages/"+path, map[string]string{"visibility": "private"})
	w.private[path] = true
}

// hotfix patches some records of a subdir, and may take one out; of many it patches
// fewer each, unless it is to be a large one.
func (w *world) hotfix(c *channel, subdir string, large bool) {
	w.Helper()
	body, patch := w.patches(c, subdir, large)
	w.Want(w, http.StatusOK, "POST", patchesOf(c, subdir), apptest.Request{Token: w.ana.Token, Body: body, Type: "application/octet-stream"})
	if err := c.patch(subdir, patch); err != nil {
		w.Fatal(err)
	}
}

func patchesOf(c *channel, subdir string) string {
	return "/api/v1/patches/" + c.path() + "?subdir=" + subdir
}

// patches makes up hotfixes.
func (w *world) patches(c *channel, subdir string, large bool) ([]byte, repodata.Patch) {
	w.Helper()
	doc := struct {
		Version  int                       `json:"patch_instructions_version"`
		Packages map[string]map[string]any `json:"packages"`
		Conda    map[string]map[string]any `json:"packages.conda"`
		Revoke   []string                  `json:"revoke"`
		Remove   []string                  `json:"remove"`
	}{1, map[string]map[string]any{}, map[string]map[string]any{}, []string{}, []string{}}
	for i, r := range c.lists.visible(subdir, nil) {
		fields := map[string]any{"depends": []string{fmt.Sprint("fixed >=", w.step)}, "license": nil}
		odds := 8 + i/8
		if large {
			odds = 4
		}
		switch w.IntN(odds) {
		case 0, 1:
			if strings.HasSuffix(r.file.name, ".conda") {
				doc.Conda[r.file.name] = fields
			} else {
				doc.Packages[r.file.name] = fields
			}
		case 2:
			if w.IntN(3) == 0 {
				doc.Remove = append(doc.Remove, r.file.name)
			} else {
				doc.Revoke = append(doc.Revoke, r.file.name)
			}
		}
	}
	body, err := json.Marshal(doc)
	if err != nil {
		w.Fatal(err)
	}
	patch, err := repodata.ParsePatch(body)
	if err != nil {
		w.Fatal(err)
	}
	return body, patch
}

// rollBack makes a channel what it was.
func (w *world) rollBack(c *channel, to int64) {
	w.Helper()
	var done struct {
		LeftOut int `json:"left_out_total"`
	}
	w.send(http.StatusOK, "POST", "/api/v1/generations/"+c.path(), map[string]string{"to": fmt.Sprint(to)}).JSON(w, &done)
	if left := c.rollBack(to); left != done.LeftOut {
		w.Fatalf("a roll-back of %s to %d left out %d files, want %d", c.path(), to, done.LeftOut, left)
	}
}

// freeze freezes a channel at one of its generations, or thaws it.
func (w *world) freeze(c *channel) {
	w.Helper()
	if c.frozen != 0 {
		w.send(http.StatusOK, "PATCH", "/api/v1/channels/"+c.path(), map[string]any{"frozen": false})
		c.frozen = 0
		return
	}
	at := w.some(c)
	w.send(http.StatusOK, "PATCH", "/api/v1/channels/"+c.path(), map[string]any{"frozen": true, "frozen_at": fmt.Sprint(at)})
	c.frozen = at
}

// snapshot makes a channel that is another one as it was.
func (w *world) snapshot(c *channel) {
	w.Helper()
	at, name := w.some(c), fmt.Sprint("snap", w.step)
	w.send(http.StatusCreated, "POST", "/api/v1/channels", map[string]any{"owner": c.owner, "name": name, "kind": "snapshot", "source": c.path(), "at": fmt.Sprint(at)})
	w.snapshots[c.owner+"/"+name] = snapshot{c, at}
}

// removePackage puts all files of a package into the trash.
func (w *world) removePackage(of *file) {
	w.Helper()
	w.send(http.StatusCreated, "DELETE", "/api/package/"+of.owner+"/"+of.rec.Name, nil)
	for _, f := range w.files {
		if f.owner == of.owner && f.rec.Name == of.rec.Name && !f.deleted {
			f.deleted = true
			for _, c := range w.in(f) {
				c.unlist(f)
			}
		}
	}
	w.gone[of.owner+"/"+of.rec.Name] = true
}
