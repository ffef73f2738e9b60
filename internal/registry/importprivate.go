package registry

import (
	"errors"
	"fmt"
	"io/fs"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

// closed reports whether the source is one that not everybody may read: a document
// of the subdirs is refused to somebody unknown. Where it is known which packages
// are private, a subdir that is absent to them may have only such; else it is closed
// too.
func (s ImportSource) closed(subdirs []string) (bool, error) {
	if s.Anybody == nil {
		return false, nil
	}
	open := false
	for _, subdir := range subdirs {
		_, err := fs.Stat(s.Anybody, s.document(subdir))
		switch {
		case err == nil:
			open = true
		case errs.KindOf(err) == errs.Invalid, errors.Is(err, fs.ErrNotExist) && s.Private == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, fmt.Errorf("ask who may read %s: %w", s.Name, err)
		}
	}
	return !open, nil
}

// mayShow refuses to load a source that not everybody may read into a channel that
// others than those with a right on it may read.
func (i *importer) mayShow(ch Channel) error {
	if !i.closed || ch.Visibility == access.Private {
		return nil
	}
	return errs.New(errs.Invalid, "Not everybody may read %s, and %s/%s is not private. Make it private first, or load into a channel that is still to be made.",
		i.src.Name, ch.OwnerName, ch.Name).On("channel").Because("channel-open")
}
