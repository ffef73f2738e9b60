package registry

import (
	"context"
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/archive"
	"terrarium/internal/errs"
)

// CheckFile decodes the whole of a published archive, which an upload does not
// wait for, and withdraws it from every index if it is damaged or unsafe: its
// address still works, so that its owner can look at it. It is the work of a job
// and may be repeated; a file that is gone is no error.
func (r *Registry) CheckFile(ctx context.Context, fileID string) error {
	f, err := r.FileByID(ctx, access.System(), fileID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.Type != "conda" || !f.Stored || f.WithdrawnAt != nil {
		return nil
	}
	refusal, err := r.checkPayload(ctx, f)
	if err != nil || refusal == "" {
		return err
	}
	_, err = r.Withdraw(ctx, access.System(), f.OwnerName, f.PackageName, f.Version, f.Basename, shortened(refusal))
	if errs.Is(err, errs.NotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// checkPayload gives the sentence that says what is wrong with an archive, or "".
func (r *Registry) checkPayload(ctx context.Context, f File) (string, error) {
	select {
	case r.parses <- struct{}{}:
		defer func() { <-r.parses }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	reader, err := r.OpenFile(ctx, f)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	err = archive.Check(reader, f.Size, f.Name, r.opts.Limits)
	switch errs.KindOf(err) {
	case errs.Invalid, errs.TooLarge:
		return errs.Message(err), nil
	}
	if err != nil {
		return "", fmt.Errorf("check %s: %w", f.FullName(), err)
	}
	return "", nil
}

// shortened cuts a sentence to what a file keeps as the reason of its withdrawal.
func shortened(s string) string {
	if r := []rune(s); len(r) > 240 {
		return string(r[:240]) + "…"
	}
	return s
}
