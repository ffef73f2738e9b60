package archive

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// The folders that a package may not use as it likes.
const (
	infoDir      = "info"
	condaMetaDir = "conda-meta"
)

// member is one file of info/ while it is being read.
type member struct {
	name string // "info/index.json"
	size int64
	body io.Reader
}

// read gives the whole content. The caller has bounded the size.
func (m member) read() ([]byte, error) {
	b := make([]byte, m.size)
	if _, err := io.ReadFull(m.body, b); err != nil {
		return nil, err
	}
	return b, nil
}

// tarWalk reads a tar and holds its headers to the rules.
type tarWalk struct {
	p       *pack
	r       io.Reader
	plain   *plainTar   // while headers are plain ones, in memory
	tr      *tar.Reader // for all others
	seen    map[string]struct{}
	members int   // of info/
	info    int64 // bytes of info/
}

// newTarWalk makes a walk over a decoded stream.
func (p *pack) newTarWalk(r io.Reader) *tarWalk {
	w := &tarWalk{p: p, r: r, seen: map[string]struct{}{}}
	if m, ok := r.(*memberReader); ok && m.whole != nil {
		w.plain = &plainTar{rest: m.whole}
	} else {
		w.tr = tar.NewReader(r)
	}
	return w
}

// body is the content of the member whose header came last.
func (w *tarWalk) body() io.Reader {
	if w.plain != nil {
		return &w.plain.body
	}
	return w.tr
}

// header gives the next header.
func (w *tarWalk) header() (*tar.Header, error) {
	if w.plain != nil {
		h, err := w.plain.next()
		if !errors.Is(err, errNotPlain) {
			return h, err
		}
		w.plain, w.tr = nil, tar.NewReader(w.r)
	}
	return w.tr.Next()
}

// next gives the next header and its path, without "./" before and "/" behind;
// "." is the root. At the end it gives io.EOF.
func (w *tarWalk) next() (*tar.Header, string, error) {
	h, err := w.header()
	if err != nil {
		return nil, "", err
	}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil, "", w.p.invalid("it has a global PAX header, which clients understand in different ways.")
	case tar.TypeGNUSparse:
		return nil, "", w.p.invalid("%s is a sparse file.", clip(h.Name))
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, "", w.p.invalid("%s is a sparse file.", clip(h.Name))
		}
	}
	name, err := w.p.memberPath(h.Name, h.Typeflag == tar.TypeDir)
	if err != nil {
		return nil, "", err
	}
	return h, name, nil
}

// nextInfo accounts for a member of info/. It reports whether it is a file to
// look at.
func (w *tarWalk) nextInfo(h *tar.Header, name string) (bool, error) {
	p := w.p
	if w.members++; w.members > p.lim.Members {
		return false, p.tooLarge("info/ has more than %d files and folders, which is the limit.", p.lim.Members)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return false, nil
	case tar.TypeReg:
	case tar.TypeSymlink, tar.TypeLink:
		if p.lim.Lenient {
			return false, nil
		}
		return false, p.invalid("%s is a link; info/ may hold only files and folders.", clip(name))
	default:
		return false, p.invalid("%s is neither a file nor a folder.", clip(name))
	}
	if name == infoDir {
		return false, p.invalid("info is a file; it has to be a folder.")
	}
	if strings.Contains(name, `\`) {
		return false, p.invalid("the name %s holds a backslash.", clip(name))
	}
	if h.Size > p.lim.MemberSize {
		return false, p.tooLarge("%s has %s; the limit for a file of info/ is %s.", clip(name), amount(h.Size), amount(p.lim.MemberSize))
	}
	if w.info += h.Size; w.info > p.lim.InfoSize {
		return false, p.tooLarge("info/ has more than %s, which is the limit.", amount(p.lim.InfoSize))
	}
	// Right below info/ two names that differ in case would be one file on
	// Windows and macOS, and which of the two wins is a matter of luck.
	key := name
	if strings.Count(name, "/") == 1 {
		key = strings.ToLower(name)
	}
	if _, ok := w.seen[key]; ok {
		return false, p.invalid("%s comes twice.", clip(name))
	}
	w.seen[key] = struct{}{}
	return true, nil
}

// drain reads what follows the end of the tar, which has to be zeros, to the
// end of the stream r.
func (w *tarWalk) drain(r io.Reader) error {
	buf := w.p.src.scratch.rest[:]
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return w.p.invalid("something follows the end of its tar.")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// memberPath checks the name of a tar member: relative, without detours, for
// every system. It gives the name without "./" before it and "/" behind it.
func (p *pack) memberPath(name string, folder bool) (string, error) {
	if len(name) > p.lim.NameLength {
		return "", p.tooLarge("it holds a name of %d bytes, %s; the limit is %d.", len(name), clip(name), p.lim.NameLength)
	}
	if !utf8.ValidString(name) {
		return "", p.invalid("the name %s is not valid UTF-8.", clip(name))
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return "", p.invalid("the name %s holds a control character.", clip(name))
		}
	}
	path := name
	for strings.HasPrefix(path, "./") {
		path = path[2:]
	}
	if folder {
		path = strings.TrimSuffix(path, "/")
		if path == "" || path == "." {
			return ".", nil
		}
	}
	if len(path) >= 2 && path[1] == ':' && isLetter(path[0]) {
		return "", p.invalid("the name %s has a drive letter.", clip(name))
	}
	parts := 0
	for part := range strings.SplitSeq(path, "/") {
		parts++
		if part == "" || part == "." {
			return "", p.invalid("the name %s is not a plain relative path.", clip(name))
		}
		// On Windows a backslash parts as a slash does.
		for sub := range strings.SplitSeq(part, `\`) {
			if sub == ".." {
				return "", p.invalid("the name %s leads out of the package.", clip(name))
			}
		}
	}
	if path[0] == '\\' {
		return "", p.invalid("the name %s is not a plain relative path.", clip(name))
	}
	if parts > p.lim.Depth {
		return "", p.tooLarge("the name %s is %d folders deep; the limit is %d.", clip(name), parts, p.lim.Depth)
	}
	top, _, _ := strings.Cut(path, "/")
	if top != infoDir && strings.EqualFold(top, infoDir) {
		return "", p.invalid("the name %s would fall into info/ where case does not count.", clip(name))
	}
	return path, nil
}

// isLetter reports whether c is an ASCII letter.
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// inInfo reports whether a path lies in info/ or is it.
func inInfo(path string) bool { return path == infoDir || strings.HasPrefix(path, infoDir+"/") }

// walkCondaInfo is walkInfo for a .conda.
func (p *pack) walkCondaInfo(visit func(member) error) error {
	parts, err := p.condaParts()
	if err != nil {
		return err
	}
	if parts.pkg != nil {
		if _, _, err := p.frameHead(parts.pkg); err != nil {
			return err
		}
	}
	if parts.info.size > p.lim.InfoSize {
		return p.tooLarge("%s has %s; the limit is %s, decoded.", parts.info.name, amount(parts.info.size), amount(p.lim.InfoSize))
	}
	f, err := p.frame(parts.info)
	if err != nil {
		return err
	}
	if f.history() > p.lim.Memory {
		return p.tooLarge("%s needs %s of memory to be decoded; the limit is %s. Compress it with a lower level.", parts.info.name, amount(f.history()), amount(p.lim.Memory))
	}
	r, err := p.openMember(parts.info, f, p.lim.InfoSize, func() error {
		return p.tooLarge("%s has more than %s when decoded, which is the limit.", parts.info.name, amount(p.lim.InfoSize))
	})
	if err != nil {
		return err
	}
	defer r.Close()
	w := p.newTarWalk(r)
	for {
		h, name, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if name == "." {
			continue
		}
		if !inInfo(name) {
			return p.invalid("%s holds %s, which is not in info/.", parts.info.name, clip(name))
		}
		look, err := w.nextInfo(h, name)
		if err != nil {
			return err
		}
		if look {
			if err := visit(member{name: name, size: h.Size, body: w.body()}); err != nil {
				return err
			}
		}
	}
	if err := w.drain(r); err != nil {
		return err
	}
	return r.finish(p, parts.info)
}
