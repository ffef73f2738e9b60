package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"terrarium/internal/access"
	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// checkable bounds the archives whose payload is read before an upload is
// answered, by format: the bytes of the archive and those that come out of it.
// They take a second or two; bzip2 is many times as slow. What is larger is
// published first and checked by a job, since its sender would wait for minutes.
func checkable(f conda.Format) (size, decoded int64) {
	if f == conda.FormatTarBz2 {
		return 8 << 20, 64 << 20
	}
	return 64 << 20, 2 << 30
}

// checkMemory is the history that a payload may need to be decoded beside
// others. Older builders declare 128 MiB; those are checked one at a time.
const checkMemory = 8 << 20

// checkNow reads the payload of an archive that is to be published and refuses
// what is damaged or unsafe. It gives false, and no refusal, for one that is too
// large to be read while somebody waits.
func (r *Registry) checkNow(ctx context.Context, src io.ReaderAt, a accepted) (bool, error) {
	name, err := conda.SplitFileName(a.FileName)
	if err != nil {
		return false, err
	}
	size, decoded := checkable(name.Format)
	if a.Size > cmp.Or(r.opts.CheckNow, size) {
		return false, nil
	}
	limits := r.opts.Limits
	limits.Payload = cmp.Or(limits.Payload, archive.DefaultLimits().Payload)
	later := decoded < limits.Payload // what exceeds the bound may still be within the limit
	limits.Payload, limits.PayloadMemory = min(limits.Payload, decoded), checkMemory
	err = archive.Check(src, a.Size, a.FileName, limits)
	if errs.Reason(err) == archive.ReasonPayloadMemory {
		select {
		case r.wide <- struct{}{}:
			defer func() { <-r.wide }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
		limits.PayloadMemory = 0
		err = archive.Check(src, a.Size, a.FileName, limits)
	}
	if later && errs.Reason(err) == archive.ReasonPayload {
		return false, nil
	}
	return err == nil, err
}

// CheckFile decodes the whole of a published archive that was too large to be
// read before its upload was answered, and withdraws it from every index if it is damaged or unsafe: its
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

// checkBatch is how many files are checked before that is noted: a crash costs
// no more than reading them again.
const checkBatch = 50

// CheckFiles is CheckFile for every file that was published and not checked
// since, oldest first.
func (r *Registry) CheckFiles(ctx context.Context) error {
	for {
		ids, err := sqldb.All(ctx, r.db, sqldb.Scalar[string], "SELECT file_id FROM unchecked_files ORDER BY file_id LIMIT $1", checkBatch)
		if err != nil {
			return fmt.Errorf("list files to check: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			if err := r.CheckFile(ctx, id); err != nil {
				return err
			}
		}
		_, err = r.db.Exec(ctx, "DELETE FROM unchecked_files WHERE file_id IN (SELECT value FROM "+r.db.EachText("$1")+" AS checked)", ids)
		if err != nil {
			return fmt.Errorf("note that files are checked: %w", err)
		}
	}
}

// checkPayload gives the sentence that says what is wrong with an archive, or "".
// It may take minutes, so it has a slot of its own and no upload waits for it.
func (r *Registry) checkPayload(ctx context.Context, f File) (string, error) {
	select {
	case r.checks <- struct{}{}:
		defer func() { <-r.checks }()
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
