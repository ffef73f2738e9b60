package archive

import (
	"archive/tar"
	"errors"
	"hash/maphash"
	"io"
	"path"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// Check decodes all of a package once, with Limits.Payload and Limits.Files as
// bounds, and refuses what Read does not look at: damage anywhere, paths and
// links that lead out of the prefix, anything written through a link, a second
// info/ or one that Read did not see, conda-meta/. It takes as long as decoding
// does and, for a .conda, as much memory as the declared window or the files
// have. A caller in a hurry lowers Limits.Payload and Limits.PayloadMemory and
// is told by ReasonPayload and ReasonPayloadMemory that this was not enough.
func Check(r io.ReaderAt, size int64, fileName string, lim Limits) error {
	p, err := open(r, size, fileName, lim)
	if err != nil {
		return err
	}
	defer p.close()
	check := p.checkTarBz2
	if p.name.Format == conda.FormatConda {
		check = p.checkConda
	}
	if err := check(); err != nil {
		return p.refusal(err)
	}
	return nil
}

// checkConda checks info- as Read does, and then pkg-.
func (p *pack) checkConda() error {
	if err := p.walkCondaInfo(func(member) error { return nil }); err != nil {
		return err
	}
	parts, err := p.condaParts()
	if err != nil || parts.pkg == nil {
		return err
	}
	f, err := p.frame(parts.pkg)
	if err != nil {
		return err
	}
	if need, most := f.history(), p.lim.PayloadMemory; most > 0 && need > most {
		return errs.New(errs.TooLarge, "%s: decoding its files takes %s of memory; the limit is %s.", p.fileName, amount(need), amount(most)).
			Because(ReasonPayloadMemory)
	}
	r, err := p.openMember(parts.pkg, f, p.lim.Payload, p.overPayload)
	if err != nil {
		return err
	}
	defer r.Close()
	w := p.newTarWalk(r)
	c := newPayload(p)
	for {
		h, name, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if inInfo(name) {
			return p.invalid("%s holds %s; info/ belongs into the other part.", parts.pkg.name, clip(name))
		}
		if err := c.member(h, name); err != nil {
			return err
		}
	}
	if err := w.drain(r); err != nil {
		return err
	}
	return r.finish(p, parts.pkg)
}

// overPayload is the refusal of files with more bytes than Limits.Payload.
func (p *pack) overPayload() error {
	return errs.New(errs.TooLarge, "%s: it has more than %s when decoded, which is the limit.", p.fileName, amount(p.lim.Payload)).Because(ReasonPayload)
}

// checkTarBz2 checks the one tar that holds both.
func (p *pack) checkTarBz2() error {
	s, err := p.openBz2(p.lim.Payload, p.overPayload())
	if err != nil {
		return err
	}
	w := p.newTarWalk(s)
	c := newPayload(p)
	reach := tailed{lim: p.lim}
	for {
		h, name, err := w.next()
		if errors.Is(err, io.EOF) {
			return w.drain(s)
		}
		if err != nil {
			return err
		}
		at := s.out
		reach.member(h, name, at)
		if inInfo(name) {
			if _, err := w.nextInfo(h, name); err != nil {
				return err
			}
			// Recipes and tests may come anywhere. What decides how the package
			// is listed has to come where Read sees it.
			if late := reach.stopped || at > p.lim.BZ2Scan; late && (name == indexName || name == runExportsName) {
				return p.invalid("%s comes behind the package's files. Put info/ first.", name)
			}
		}
		if err := c.member(h, name); err != nil {
			return err
		}
	}
}

// payload holds the members of a package to the rules of an installation.
type payload struct {
	p       *pack
	members int
	seen    pathSet // files and links
	links   pathSet // the symbolic links among them
}

// newPayload makes an empty payload.
func newPayload(p *pack) *payload {
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	return &payload{p: p, seen: pathSet{seeds, map[[2]uint64]struct{}{}}, links: pathSet{seeds, map[[2]uint64]struct{}{}}}
}

// pathSet is a set of paths by a keyed hash of 128 bits each, because a package
// may have half a million of a kilobyte.
type pathSet struct {
	seeds [2]maphash.Seed
	keys  map[[2]uint64]struct{}
}

func (s pathSet) key(path string) [2]uint64 {
	return [2]uint64{maphash.String(s.seeds[0], path), maphash.String(s.seeds[1], path)}
}

func (s pathSet) add(path string) { s.keys[s.key(path)] = struct{}{} }

func (s pathSet) has(path string) bool {
	_, ok := s.keys[s.key(path)]
	return ok
}

// member looks at one header.
func (c *payload) member(h *tar.Header, name string) error {
	if name == "." {
		return nil
	}
	p := c.p
	if c.members++; c.members > p.lim.Files {
		return p.tooLarge("it holds more than %d files, links and folders, which is the limit.", p.lim.Files)
	}
	if top, _, _ := strings.Cut(name, "/"); strings.EqualFold(top, condaMetaDir) {
		return p.invalid("it holds %s; conda-meta/ belongs to the client.", clip(name))
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if c.links.has(dir) {
			return p.invalid("%s would be written through the link %s.", clip(name), clip(dir))
		}
	}
	if h.Typeflag == tar.TypeDir {
		if c.links.has(name) {
			return p.invalid("%s comes twice.", clip(name))
		}
		return nil
	}
	if c.seen.has(name) {
		return p.invalid("%s comes twice.", clip(name))
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		if err := c.symlink(name, h.Linkname); err != nil {
			return err
		}
		c.links.add(name)
	case tar.TypeLink:
		target, err := p.memberPath(h.Linkname, false)
		if err != nil {
			return err
		}
		if !c.seen.has(target) {
			return p.invalid("%s is a hard link to %s, which does not come before it.", clip(name), clip(target))
		}
	default:
		return p.invalid("%s is neither a file, a link nor a folder.", clip(name))
	}
	c.seen.add(name)
	return nil
}

// symlink refuses a target outside the prefix. The folders above a link are no
// links themselves, so leading dots mean what they say; dots after a name would
// depend on what that name is, and are refused. An empty target, found in real
// packages, leads nowhere.
func (c *payload) symlink(name, target string) error {
	p := c.p
	if len(target) > p.lim.NameLength {
		return p.tooLarge("the link %s has a target of %d bytes; the limit is %d.", clip(name), len(target), p.lim.NameLength)
	}
	depth := strings.Count(name, "/")
	named := false
	for part := range strings.SplitSeq(strings.ReplaceAll(target, `\`, "/"), "/") {
		switch part {
		case ".":
		case "..":
			if depth--; depth < 0 || named {
				return p.invalid("the link %s leads to %s, out of the package.", clip(name), clip(target))
			}
		default:
			named = true
		}
	}
	if strings.HasPrefix(target, "/") || strings.HasPrefix(target, `\`) || len(target) > 1 && target[1] == ':' {
		return p.invalid("the link %s leads to %s, which is not a relative path.", clip(name), clip(target))
	}
	if rest := path.Join(path.Dir(name), target); strings.EqualFold(rest, infoDir) || strings.EqualFold(rest, condaMetaDir) {
		return p.invalid("the link %s leads to %s.", clip(name), clip(rest))
	}
	return nil
}
