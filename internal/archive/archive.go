// Package archive reads and writes conda packages in both formats of CEP 35:
// the .conda, a ZIP file of zstd-compressed tar files, and the .tar.bz2.
//
// Archives are hostile until proved otherwise. They are read as streams from
// random access, never unpacked; every size, count, ratio and name is bounded
// by Limits; whatever two clients could read differently is refused: a ZIP
// file with gaps, overlaps or data descriptors, a second zstd frame, members
// that come twice, sparse files, links. Read looks at the metadata only and is
// what an upload waits for; Check decodes all of a package and belongs into
// the background.
//
// Refusals are of kind errs.Invalid or errs.TooLarge and name the file, the
// rule and the limit. A failure of the reader underneath is none of these: it
// comes back wrapped, without a kind.
//
// What the metadata means is left to package conda, where the bytes lie to
// package blob.
package archive

import (
	"errors"
	"fmt"
	"io"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// The machine words of refusals.
const (
	reasonDamaged  = "damaged-archive"   // not whole, or not of the format
	reasonUnsafe   = "unsafe-archive"    // breaks a rule made for safety
	reasonTooLarge = "archive-limit"     // over one of the Limits
	reasonMismatch = "file-name-differs" // says another name than its file has

	// ReasonPayload and ReasonPayloadMemory tell a caller of Check, who gave
	// it less than the limits allow, that the rest is still to be tried.
	ReasonPayload       = "payload-limit"        // over Limits.Payload
	ReasonPayloadMemory = "payload-memory-limit" // over Limits.PayloadMemory
)

// Read reads the metadata of the package archive in the first size bytes of r,
// called fileName, and checks that the two agree. Of a .conda only the ZIP
// directory and info/ are read, of a .tar.bz2 as much as it takes to get past
// info/ (see Limits.BZ2Tail).
//
// A package that could be read and is refused for what it says comes back beside
// its refusal, so that whoever knows of further faults can tell all of them.
func Read(r io.ReaderAt, size int64, fileName string, lim Limits) (*Info, error) {
	info, err := read(r, size, fileName, lim)
	if err != nil {
		return nil, nothingStored(err)
	}
	return info, Refuse(fileName, info.Faults)
}

// Refuse gives the refusal of a package for all its faults at once, or nil where
// there are none.
func Refuse(fileName string, faults []*errs.Error) error {
	if all := errs.All(fileName+" cannot be published", faults); all != nil {
		return nothingStored(all)
	}
	return nil
}

// read is Read without the last sentence of its refusals.
func read(r io.ReaderAt, size int64, fileName string, lim Limits) (*Info, error) {
	p, err := open(r, size, fileName, lim)
	if err != nil {
		return nil, err
	}
	defer p.close()
	c := newCollector(p)
	if err := p.walkInfo(c.member); err != nil {
		return nil, p.refusal(err)
	}
	info, err := c.finish()
	if err != nil {
		return nil, p.refusal(err)
	}
	return info, nil
}

// ReadInfoFile reads one member of info/ by its whole name, such as
// "info/recipe/meta.yaml", of an archive that Read has taken. It returns
// errs.NotFound where there is none, errs.TooLarge where it has more than
// Limits.Keep bytes.
func ReadInfoFile(r io.ReaderAt, size int64, fileName, name string, lim Limits) ([]byte, error) {
	p, err := open(r, size, fileName, lim)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var content []byte
	found := false
	err = p.walkInfo(func(m member) error {
		if m.name != name {
			return nil
		}
		if m.size > p.lim.Keep {
			return p.tooLarge("%s has %s; at most %s are shown.", m.name, amount(m.size), amount(p.lim.Keep))
		}
		found = true
		var err error
		if content, err = m.read(); err != nil {
			return err
		}
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		return nil, p.refusal(err)
	}
	if !found {
		return nil, errs.New(errs.NotFound, "%s has no %s.", fileName, clip(name))
	}
	return content, nil
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// pack is an archive that is being read.
type pack struct {
	src      source
	fileName string
	name     conda.FileName
	lim      Limits
}

// open parses the file name and makes a pack, which is to be closed. It reads
// nothing.
func open(r io.ReaderAt, size int64, fileName string, lim Limits) (*pack, error) {
	lim = lim.orDefaults()
	parse := conda.ParseFileName
	if lim.Lenient {
		parse = conda.SplitFileName
	}
	name, err := parse(fileName)
	if err != nil {
		return nil, err
	}
	p := &pack{src: source{r: r, size: size}, fileName: fileName, name: name, lim: lim}
	if size <= 0 {
		return nil, p.damaged("it is empty.")
	}
	p.src.scratch = scratches.Get().(*scratch)
	return p, nil
}

// close leaves the memory that p has used to others.
func (p *pack) close() {
	p.src.scratch.path.trim()
	scratches.Put(p.src.scratch)
	p.src.scratch = nil
}

// walkInfo calls visit for every file of info/ in the order of the archive.
// The content of a member is there until visit returns.
func (p *pack) walkInfo(visit func(member) error) error {
	if p.name.Format == conda.FormatConda {
		return p.walkCondaInfo(visit)
	}
	return p.walkTarBz2Info(visit)
}

// invalid refuses the archive for breaking a rule of safety.
func (p *pack) invalid(format string, args ...any) error {
	return errs.New(errs.Invalid, "%s: %s", p.fileName, fmt.Sprintf(format, args...)).Because(reasonUnsafe)
}

// damaged refuses the archive for not being whole, or not of its format.
func (p *pack) damaged(format string, args ...any) error {
	return errs.New(errs.Invalid, "%s: %s", p.fileName, fmt.Sprintf(format, args...)).Because(reasonDamaged)
}

// tooLarge refuses the archive for exceeding a limit.
func (p *pack) tooLarge(format string, args ...any) error {
	return errs.New(errs.TooLarge, "%s: %s", p.fileName, fmt.Sprintf(format, args...)).Because(reasonTooLarge)
}

// refusal gives err the kind that it deserves. A failure of the storage
// underneath looks like damage to every decoder above it, so it is asked first;
// whatever a decoder says otherwise is the archive's fault.
func (p *pack) refusal(err error) error {
	if p.src.err != nil {
		return fmt.Errorf("reading %s: %w", p.fileName, p.src.err)
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	return errs.Wrap(errs.Invalid, err, "%s: it is damaged or cut off.", p.fileName).Because(reasonDamaged)
}

// about puts the file's name before a refusal of package conda.
func (p *pack) about(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return err
	}
	told := *e
	told.Message = p.fileName + ": " + e.Message
	return &told
}

// nothingStored tells the uploader what a refusal means for the archive.
func nothingStored(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return err
	}
	told := *e
	told.Message += " Nothing was stored."
	return &told
}

// amount writes a number of bytes as people do where it is a round one.
func amount[N int64 | uint64](n N) string {
	switch {
	case n > 0 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n > 0 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// clip shortens hostile text for a message.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
