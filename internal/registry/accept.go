package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"terrarium/internal/archive"
	"terrarium/internal/blob"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// expected is what is known of a file before its bytes are read: what the
// sender says and under which names it is to stand.
type expected struct {
	Type     string
	FileName string // without subdir
	Subdir   string // conda: "" = what the archive says
	Package  string // conda: "" = what the archive says
	Version  string // conda: "" = what the archive says
	Size     int64  // -1 = not said
	MD5      []byte // nil = not said
	SHA256   string // hex, "" = not said
}

// accepted is a file whose bytes were read and found fit to be published: all
// that its rows will say. A staged upload keeps it until its commit.
type accepted struct {
	Type        string
	Package     string
	Version     string
	Build       string
	BuildNumber int64
	Subdir      string
	FileName    string
	Size        int64
	MD5         string
	SHA256      string

	License     string
	TimestampMS int64
	IndexedMS   int64
	Attrs       jsontext.Value // what the archive says, in the manner of anaconda-client

	RecordJSON    []byte // conda only, as the index lists it
	RecordMsgpack []byte
	RunExports    []byte

	Checked bool // conda: the payload was read too, see check.go

	About      jsontext.Value
	README     string
	READMEName string
	Paths      jsontext.Value
	Members    jsontext.Value
	Flags      jsontext.Value
}

// basename is how the API names the file within its release.
func (a accepted) basename() string {
	if a.Type == "conda" {
		return a.Subdir + "/" + a.FileName
	}
	return a.FileName
}

// receive streams bytes into a temporary file of the blob store and compares
// size and digests with what was said. The caller commits or aborts the writer.
func (r *Registry) receive(ctx context.Context, body io.Reader, want expected) (*blob.Writer, accepted, error) {
	if want.Size > r.opts.MaxUpload {
		return nil, accepted{}, r.tooLarge(want.FileName)
	}
	w, err := r.blobs.Create(ctx)
	if err != nil {
		return nil, accepted{}, fmt.Errorf("make a temporary file: %w", err)
	}
	a, err := r.fill(w, body, want)
	if err != nil {
		r.abort(w)
		return nil, accepted{}, err
	}
	point(pointReceived)
	return w, a, nil
}

// abort gives up bytes that were not committed. A temporary file that stays
// behind is swept by GC.
func (r *Registry) abort(w *blob.Writer) {
	if err := w.Abort(); err != nil {
		r.opts.Log.Warn("a temporary file could not be removed", "err", err)
	}
}

func (r *Registry) fill(w *blob.Writer, body io.Reader, want expected) (accepted, error) {
	// One byte more than may be, so that a body of exactly the limit passes.
	n, err := io.Copy(w, io.LimitReader(body, r.opts.MaxUpload+1))
	switch {
	case n > r.opts.MaxUpload:
		return accepted{}, r.tooLarge(want.FileName)
	case err != nil:
		return accepted{}, fmt.Errorf("receive %s: %w", want.FileName, err)
	}
	d, err := w.Digest()
	if err != nil {
		return accepted{}, fmt.Errorf("hash %s: %w", want.FileName, err)
	}
	if want.Size >= 0 && n != want.Size {
		return accepted{}, errs.New(errs.Invalid, "%s has %d bytes, but %d were announced. Nothing was stored; upload it again.",
			want.FileName, n, want.Size).Because("size-differs")
	}
	if len(want.MD5) > 0 && !bytes.Equal(want.MD5, d.MD5[:]) {
		return accepted{}, errs.New(errs.Invalid, "%s has the MD5 %s, but %x was announced. Nothing was stored; upload it again.",
			want.FileName, d.MD5Hex(), want.MD5).Because("digest-differs")
	}
	if want.SHA256 != "" && !strings.EqualFold(want.SHA256, d.SHA256Hex()) {
		return accepted{}, errs.New(errs.Invalid, "%s has the SHA-256 %s, but %s was announced. Nothing was stored; upload it again.",
			want.FileName, d.SHA256Hex(), clip(want.SHA256)).Because("digest-differs")
	}
	return accepted{
		Type: want.Type, Package: want.Package, Version: want.Version, FileName: want.FileName,
		Size: n, MD5: d.MD5Hex(), SHA256: d.SHA256Hex(), IndexedMS: r.now().UnixMilli(), Attrs: jsontext.Value("{}"),
	}, nil
}

func (r *Registry) tooLarge(name string) error {
	return errs.New(errs.TooLarge, "%s is larger than %d bytes, the limit of this server. The operator can raise max_upload.", name, r.opts.MaxUpload)
}

// read reads the archive and fills in what it says. At most Options.Parses
// archives are read at once.
func (r *Registry) read(ctx context.Context, src io.ReaderAt, a *accepted, want expected) error {
	if a.Type != "conda" {
		return checkPlainFile(a)
	}
	select {
	case r.parses <- struct{}{}:
		defer func() { <-r.parses }()
	case <-ctx.Done():
		return ctx.Err()
	}
	info, err := archive.Read(src, a.Size, a.FileName, r.opts.Limits)
	if info == nil {
		return err
	}
	if err := a.describe(info, want, r.now()); err != nil {
		return err
	}
	if a.Checked, err = r.checkNow(ctx, src, *a); err != nil {
		return err
	}
	point(pointParsed)
	return nil
}

// describe takes over what the archive says, where nothing is wrong with it and
// it agrees with what was expected. Else its refusal has every reason.
func (a *accepted) describe(info *archive.Info, want expected, now time.Time) error {
	record := info.Record
	if err := archive.Refuse(a.FileName, slices.Concat(info.Faults, want.faults(info, now))); err != nil {
		return err
	}
	record.Subdir = cmp.Or(record.Subdir, want.Subdir)
	record.Size, record.MD5, record.SHA256, record.IndexedTimestamp = a.Size, a.MD5, a.SHA256, a.IndexedMS
	if err := record.Validate(); err != nil {
		return err
	}
	encoded, err := repodata.EncodeRecord(record)
	if err != nil {
		return err
	}
	a.Package, a.Version, a.Build, a.BuildNumber = packageName(record.Name), record.Version, record.Build, record.BuildNumber
	a.Subdir, a.License, a.TimestampMS = record.Subdir, record.License, record.Timestamp
	a.RecordJSON, a.RecordMsgpack, a.RunExports = encoded.JSON, encoded.Msgpack, encoded.RunExports
	if a.Attrs, err = condaAttrs(info, record); err != nil {
		return err
	}
	return a.keepInfo(info)
}

// faults are what keeps an archive from being published as what it was sent as.
// Of a key that the archive itself has wrong nothing more is said.
func (want expected) faults(info *archive.Info, now time.Time) (faults []*errs.Error) {
	record := info.Record
	known := map[string]bool{}
	for _, f := range info.Faults {
		known[f.Field] = true
	}
	fault := func(key, reason, format string, args ...any) {
		if !known[key] {
			faults = append(faults, errs.New(errs.Invalid, format, args...).Because(reason).On(key))
		}
	}
	switch {
	case want.Subdir == "" && record.Subdir == "":
		fault("subdir", "subdir-missing", "It does not say its subdir, so say it with the upload.")
	case want.Subdir != "" && record.Subdir != "" && record.Subdir != want.Subdir:
		fault("subdir", "subdir-differs", "It belongs to %s, as its info/index.json says, and was sent to %s.", record.Subdir, clip(want.Subdir))
	}
	if want.Package != "" && packageName(want.Package) != packageName(record.Name) {
		fault("name", "name-differs", "It is the package %s and cannot be uploaded as %s. Leave out -p, or build it under that name.",
			record.Name, clip(want.Package))
	}
	if want.Version != "" && want.Version != record.Version {
		fault("version", "version-differs", "It is version %s and cannot be uploaded as %s. Leave out -v, or build it as that version.",
			record.Version, clip(want.Version))
	}
	if record.V3() {
		// Such a record would stop older clients from reading the whole index
		// (CEP 43), and the group of its own that it needs is not written yet.
		fault("schema_version", "schema-version", "It has schema_version %d, with which this server cannot index yet. Build it without extras, flags and conditional dependencies.",
			record.SchemaVersion)
	}
	const skew = time.Hour // of the builder's clock
	if record.Timestamp > now.Add(skew).UnixMilli() {
		fault("timestamp", "timestamp-in-future", "It says that it was built on %s, which is in the future. Build it again with the right time.",
			unixMilli(record.Timestamp).Format(time.RFC3339))
	}
	return faults
}

// keepInfo takes over what pages and channeldata show.
func (a *accepted) keepInfo(info *archive.Info) (err error) {
	a.About, a.README, a.READMEName = info.About, info.README, info.READMEName
	paths := make([]PathEntry, len(info.PathList))
	for i, p := range info.PathList {
		paths[i] = PathEntry{Path: p.Path, Size: p.Size, SHA256: p.SHA256, Type: p.Type}
	}
	members := make([]Member, len(info.Members))
	for i, m := range info.Members {
		members[i] = Member{Name: m.Name, Size: m.Size}
	}
	flags := Flags(info.Flags)
	for _, part := range []struct {
		to   *jsontext.Value
		from any
	}{{&a.Paths, paths}, {&a.Members, members}, {&a.Flags, flags}} {
		// Names in archives may be anything; what is no UTF-8 is shown replaced.
		if *part.to, err = json.Marshal(part.from, jsontext.AllowInvalidUTF8(true)); err != nil {
			return fmt.Errorf("write what %s holds: %w", a.FileName, err)
		}
	}
	return nil
}

// condaAttrs makes the attributes of a conda file the way anaconda-client does:
// five that are worked out, and every key of info/index.json but name and
// version.
func condaAttrs(info *archive.Info, record conda.Record) (jsontext.Value, error) {
	members := map[string]jsontext.Value{}
	if err := json.Unmarshal(info.IndexJSON, &members); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "info/index.json is not a JSON object.")
	}
	delete(members, "name")
	delete(members, "version")
	system, machine, _ := strings.Cut(record.Subdir, "-")
	switch system {
	case "osx":
		system = "darwin"
	case "win":
		system = "win32"
	}
	switch machine {
	case "64":
		machine = "x86_64"
	case "32":
		machine = "x86"
	}
	worked := map[string]any{
		"subdir":     record.Subdir,
		"has_prefix": info.Flags.TextPrefix || info.Flags.BinaryPrefix,
	}
	if record.Subdir != "noarch" {
		worked["operatingsystem"] = system
		worked["machine"] = machine
		worked["target-triplet"] = machine + "-any-" + system
	}
	for key, v := range worked {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("write the attribute %s: %w", key, err)
		}
		members[key] = text
	}
	out, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write attributes: %w", err)
	}
	return out, nil
}

// checkPlainFile checks the names of a file that is not opened.
func checkPlainFile(a *accepted) error {
	if a.Size == 0 {
		return errs.New(errs.Invalid, "%s is empty.", a.FileName)
	}
	if err := checkName(a.Package); err != nil {
		return err
	}
	if err := checkVersion(a.Version); err != nil {
		return err
	}
	return checkBasename(a.FileName)
}

// checkBasename refuses, as errs.Invalid, names that an address cannot hold as
// they are: clients send "#" and "?" unescaped.
func checkBasename(s string) error {
	bad := s == "" || len(s) > 255 || s[0] == '/' || path.Clean(s) != s || s == "." || s == ".." || strings.HasPrefix(s, "../")
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || strings.IndexByte(`#?\%`, c) >= 0 {
			bad = true
		}
	}
	if bad {
		return errs.New(errs.Invalid, `The file name %q cannot be used. It must have 1 to 255 characters, none of them # ? \ %% or a control character.`, clip(s)).On("basename")
	}
	return nil
}

// checkName refuses, as errs.Invalid, names that a package of any type may not
// have. "-" alone means something else in addresses of pages.
func checkName(s string) error {
	ok := s != "" && len(s) <= 128 && s != "-" && s[0] != '.' && s[0] != '-'
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			ok = false
		}
	}
	if !ok {
		return errs.New(errs.Invalid, "The package name %q may hold only letters, digits, dots, dashes and underscores, at most 128, and must begin with a letter, a digit or an underscore.", clip(s)).On("name")
	}
	return nil
}

// checkVersion refuses, as errs.Invalid, versions that an address cannot hold.
func checkVersion(s string) error {
	ok := s != "" && len(s) <= 128 && s != "." && s != ".." && s != "-"
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/\#?%`, c) >= 0 {
			ok = false
		}
	}
	if !ok {
		return errs.New(errs.Invalid, `The version %q must have 1 to 128 characters, none of them a space or one of / \ # ? %%.`, clip(s)).On("version")
	}
	return nil
}

// clip shortens hostile text for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
