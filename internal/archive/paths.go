package archive

import (
	"bytes"
	"cmp"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Path is a file, link or folder that a package puts into an environment.
type Path struct {
	Path   string // with slashes
	Type   string // "hardlink" (a file), "softlink" or "directory"
	SHA256 string // lower-case hex, or ""
	Size   int64  // bytes, or 0 if unknown

	// Prefix is the placeholder that a client replaces by its environment's
	// path, or ""; FileMode is then "text" or "binary".
	Prefix, FileMode string

	// NoLink asks for a copy instead of a link.
	NoLink bool
}

// Flags says of a package what channeldata.json does (CEP 38).
type Flags struct {
	ActivateD, DeactivateD       bool // scripts run when an environment is entered or left
	PreLink, PostLink, PreUnlink bool // scripts run when it is installed or removed
	TextPrefix, BinaryPrefix     bool // files that hold the placeholder
}

const (
	// maxPathText bounds each text of paths.json, in bytes.
	maxPathText = 8 << 10
	// maxOldLines bounds what is read of info/has_prefix and info/no_link.
	maxOldLines = 20_000
)

// rawPath is an entry of paths.json as written. One value is filled again and
// again: a package may have a hundred thousand entries of which few are kept.
type rawPath struct {
	Path, Type, SHA256, Size, Prefix, FileMode, NoLink jsontext.Value

	text []byte
}

// field gives where the value of a key goes, or nil.
func (r *rawPath) field(key []byte) *jsontext.Value {
	switch string(key) {
	case `"_path"`:
		return &r.Path
	case `"path_type"`:
		return &r.Type
	case `"sha256"`:
		return &r.SHA256
	case `"size_in_bytes"`:
		return &r.Size
	case `"prefix_placeholder"`:
		return &r.Prefix
	case `"file_mode"`:
		return &r.FileMode
	case `"no_link"`:
		return &r.NoLink
	}
	return nil
}

// read fills r with the object that comes next. Of a key that comes twice the
// last value counts.
func (r *rawPath) read(d *jsontext.Decoder) error {
	r.reset()
	if _, err := d.ReadToken(); err != nil { // the object's beginning
		return err
	}
	for d.PeekKind() == '"' {
		key, err := d.ReadValue()
		if err != nil {
			return err
		}
		if bytes.IndexByte(key, '\\') >= 0 {
			r.text, _ = jsontext.AppendUnquote(r.text[:0], key) // the decoder has checked it
			if key, err = jsontext.AppendQuote(nil, r.text); err != nil {
				return err
			}
		}
		into := r.field(key)
		if into == nil {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		*into = append((*into)[:0], v...)
	}
	_, err := d.ReadToken() // the object's end
	return err
}

// values are the places for values.
func (r *rawPath) values() [7]*jsontext.Value {
	return [...]*jsontext.Value{&r.Path, &r.Type, &r.SHA256, &r.Size, &r.Prefix, &r.FileMode, &r.NoLink}
}

// reset empties the value and keeps its memory.
func (r *rawPath) reset() {
	for _, v := range r.values() {
		*v = (*v)[:0]
	}
}

// trim lets go of memory that no ordinary entry needs.
func (r *rawPath) trim() {
	for _, v := range r.values() {
		if cap(*v) > 2*maxPathText {
			*v = nil
		}
	}
	if cap(r.text) > 2*maxPathText {
		r.text = nil
	}
}

// string gives the text of v, or nil where v is none, until the next call.
func (r *rawPath) string(v jsontext.Value) []byte {
	if v.Kind() != '"' {
		return nil
	}
	// The decoder has checked it, so there is no error.
	r.text, _ = jsontext.AppendUnquote(r.text[:0], v)
	return r.text
}

// paths reads paths.json as a stream, because it may be larger than all that is
// kept of it.
func (c *collector) paths(m member) error {
	c.pathsFound = true
	source := &tokenGuard{r: m.body}
	from := io.Reader(source)
	var err error
	if m.size <= maxPaths && c.keep(m.size) {
		if c.info.Paths, err = m.read(); err != nil {
			return err
		}
		if m.size > maxPathText { // else it has no token of more
			_, err = source.look(c.info.Paths)
		}
		from = bytes.NewBuffer(c.info.Paths) // which the decoder does not copy
	} else {
		c.omit(m.name)
	}
	if err == nil {
		err = c.pathDocument(jsontext.NewDecoder(from, jsontext.AllowDuplicateNames(true)))
	}
	if err == nil {
		return nil
	}
	if source.err != nil {
		return source.err // the archive is damaged, not the document
	}
	if errors.Is(err, errLongToken) {
		err = errLongToken // without the words of the decoder around it
	}
	if errors.Is(err, errBadPath) || !c.p.lim.Lenient {
		return c.p.invalid("info/paths.json cannot be read: %s.", strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	c.pathsFound, c.full = false, false
	c.info.Paths, c.info.PathList, c.info.PathCount, c.info.Flags = nil, nil, 0, Flags{}
	c.omit(m.name)
	return nil
}

// Why paths.json is refused, as the end of a sentence: a path that a client must
// not follow, and a token that would have to be held in memory.
var (
	errBadPath   = errors.New("it names a path that is not a plain relative one")
	errLongToken = fmt.Errorf("it holds a text or number of more than %d bytes", maxPathText)
)

// pathDocument reads the object and in it the list "paths".
func (c *collector) pathDocument(d *jsontext.Decoder) error {
	if token, err := d.ReadToken(); err != nil {
		return err
	} else if token.Kind() != '{' {
		return errors.New("it is not an object")
	}
	for d.PeekKind() == '"' {
		key, err := d.ReadToken()
		if err != nil {
			return err
		}
		if key.String() != "paths" || d.PeekKind() != '[' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		raw := &c.p.src.scratch.path
		for d.PeekKind() == '{' {
			if err := raw.read(d); err != nil {
				return err
			}
			if err := c.rawPath(raw); err != nil {
				return err
			}
		}
		if _, err := d.ReadToken(); err != nil { // the list's end
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil { // the object's end
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// rawPath takes one entry. Values of the wrong type count as absent: they are
// for display, save the path itself.
func (c *collector) rawPath(raw *rawPath) error {
	// One statement each, because every text lies in the same buffer.
	e := Path{NoLink: string(raw.NoLink) == "true"}
	e.Path = string(raw.string(raw.Path))
	e.Type = known(raw.string(raw.Type), "hardlink", "softlink", "directory")
	e.FileMode = known(raw.string(raw.FileMode), "text", "binary")
	e.Size, _ = strconv.ParseInt(string(raw.Size), 10, 64) // 0 if it is no number
	// A placeholder is 255 characters long and mostly the same for all files.
	if prefix := raw.string(raw.Prefix); string(prefix) == c.prefix {
		e.Prefix = c.prefix
	} else {
		c.prefix = string(prefix)
		e.Prefix = c.prefix
		if !c.keep(int64(len(prefix))) {
			c.full = true
		}
	}
	if sum := raw.string(raw.SHA256); len(sum) == 64 && !c.full {
		e.SHA256 = string(sum)
	}
	return c.path(e)
}

// path takes one entry: the flags always, the list while it fits.
func (c *collector) path(e Path) error {
	const perPath = 192 // bytes of a Path without its texts, in a list that grows
	if _, err := c.p.memberPath(e.Path, e.Type == "directory"); err != nil {
		return errBadPath
	}
	c.info.Flags.add(e, c.p.name.Name)
	c.info.PathCount++
	if c.full = c.full || !c.keep(perPath+int64(len(e.Path)+len(e.SHA256))); c.full {
		return nil
	}
	e.Type = cmp.Or(e.Type, "hardlink")
	c.info.PathList = append(c.info.PathList, e)
	return nil
}

// known gives the constant that s equals, or "".
func known(s []byte, all ...string) string {
	for _, k := range all {
		if string(s) == k {
			return k
		}
	}
	return ""
}

// add derives flags from a path of the package called name.
func (f *Flags) add(e Path, name string) {
	switch {
	case strings.HasPrefix(e.Path, "etc/conda/activate.d/"):
		f.ActivateD = true
	case strings.HasPrefix(e.Path, "etc/conda/deactivate.d/"):
		f.DeactivateD = true
	case strings.HasPrefix(e.Path, "bin/."):
		f.script(strings.TrimPrefix(e.Path, "bin/."), name, ".sh")
	case strings.HasPrefix(e.Path, "Scripts/."):
		f.script(strings.TrimPrefix(e.Path, "Scripts/."), name, ".bat")
	}
	if e.Prefix != "" {
		f.BinaryPrefix = f.BinaryPrefix || e.FileMode == "binary"
		f.TextPrefix = f.TextPrefix || e.FileMode != "binary"
	}
}

// script notes a link script: NAME-WHEN.EXT.
func (f *Flags) script(file, name, ext string) {
	when, ok := strings.CutPrefix(strings.TrimSuffix(file, ext), name+"-")
	if !ok || !strings.HasSuffix(file, ext) {
		return
	}
	switch when {
	case "pre-link":
		f.PreLink = true
	case "post-link":
		f.PostLink = true
	case "pre-unlink":
		f.PreUnlink = true
	}
}

// oldPaths makes the list of paths from info/files, info/has_prefix and
// info/no_link, as packages had it before paths.json. Lines that are no paths
// are passed over: nothing but the display depends on them.
func (c *collector) oldPaths() {
	type prefixed struct{ placeholder, mode string }
	prefixes := map[string]prefixed{}
	for line := range bytes.Lines(c.hasPrefix) {
		line := strings.TrimSpace(string(line))
		if len(prefixes) == maxOldLines {
			break
		}
		// Either PLACEHOLDER MODE PATH or, with a fixed placeholder, PATH.
		if f := strings.Fields(line); len(f) == 3 && (f[1] == "text" || f[1] == "binary") {
			prefixes[strings.Trim(f[2], `"`)] = prefixed{strings.Trim(f[0], `"`), f[1]}
		} else if line != "" {
			prefixes[strings.Trim(line, `"`)] = prefixed{"/opt/anaconda1anaconda2anaconda3", "text"}
		}
	}
	noLink := map[string]bool{}
	for line := range bytes.Lines(c.noLink) {
		if len(noLink) == maxOldLines {
			break
		}
		noLink[string(bytes.TrimSpace(line))] = true
	}
	for line := range bytes.Lines(c.files) {
		name := string(bytes.TrimRight(line, "\r\n"))
		if name == "" {
			continue
		}
		prefix := prefixes[name]
		// The only error is a path that no client may follow.
		_ = c.path(Path{Path: name, Type: "hardlink", Prefix: prefix.placeholder, FileMode: prefix.mode, NoLink: noLink[name]})
	}
}

// tokenGuard reads JSON for a decoder that holds whole tokens in memory: it
// refuses a string or number that is longer than any that belongs here. It
// remembers why the reader underneath failed.
type tokenGuard struct {
	r                 io.Reader
	err               error
	inString, escaped bool
	token             int // length so far
}

func (g *tokenGuard) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		g.err = err
	}
	if i, long := g.look(b[:n]); long != nil {
		return i, long
	}
	return n, err
}

// look goes over the bytes that come next. At a token that is too long it says
// where that is.
func (g *tokenGuard) look(b []byte) (int, error) {
	for i, c := range b {
		g.token++
		switch {
		case g.escaped:
			g.escaped = false
		case g.inString && c == '\\':
			g.escaped = true
		case c == '"':
			g.inString, g.token = !g.inString, 0
		case !g.inString && parts(c):
			g.token = 0
		}
		if g.token > maxPathText {
			return i, errLongToken
		}
	}
	return len(b), nil
}

// parts reports whether c is no part of a number, true, false or null.
func parts(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ',', ':', '[', ']', '{', '}':
		return true
	}
	return false
}
