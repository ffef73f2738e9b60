package archive

import (
	"archive/tar"
	"errors"
	"io"

	"terrarium/internal/conda"
)

// EachFile calls visit for every regular file that a package installs, with its
// path, its bytes when decoded and its content, which visit need not read. All
// other than info/ is decoded, with Limits.Payload as bound. It does not judge the
// package as Check does.
func EachFile(r io.ReaderAt, size int64, fileName string, lim Limits, visit func(name string, size int64, body io.Reader) error) error {
	p, err := open(r, size, fileName, lim)
	if err != nil {
		return err
	}
	defer p.close()
	each := p.eachOfTarBz2
	if p.name.Format == conda.FormatConda {
		each = p.eachOfConda
	}
	if err := each(visit); err != nil {
		return p.refusal(err)
	}
	return nil
}

func (p *pack) eachOfConda(visit func(string, int64, io.Reader) error) error {
	parts, err := p.condaParts()
	if err != nil || parts.pkg == nil {
		return err
	}
	f, err := p.frame(parts.pkg)
	if err != nil {
		return err
	}
	r, err := p.openMember(parts.pkg, f, p.lim.Payload, p.overPayload)
	if err != nil {
		return err
	}
	defer r.Close()
	return p.newTarWalk(r).each(visit)
}

func (p *pack) eachOfTarBz2(visit func(string, int64, io.Reader) error) error {
	s, err := p.openBz2(p.lim.Payload, p.overPayload())
	if err != nil {
		return err
	}
	return p.newTarWalk(s).each(visit)
}

// each hands out the files of a tar but those of info/.
func (w *tarWalk) each(visit func(string, int64, io.Reader) error) error {
	for {
		h, name, err := w.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || inInfo(name) {
			continue
		}
		if err := visit(name, h.Size, w.body()); err != nil {
			return err
		}
	}
}
