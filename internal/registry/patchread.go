package registry

import (
	"fmt"
	"io"
	"path"
	"strings"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// patchFile is the name of the instructions for a subdir.
const patchFile = "patch_instructions.json"

// maxPatchBytes is the most that the instructions for one subdir may have; those
// for conda-forge's largest have about 100 MB.
const maxPatchBytes = 256 << 20

// ReadPatches reads hotfixes by subdir: patch_instructions.json, for which subdir
// says which one it is for, or a package that has SUBDIR/patch_instructions.json
// among its files, of which subdir chooses one, "" all. errs.Invalid where there
// are none.
func (r *Registry) ReadPatches(src io.ReaderAt, size int64, fileName, subdir string) (map[string]repodata.Patch, error) {
	if subdir != "" {
		if err := conda.CheckSubdir(subdir); err != nil {
			return nil, err
		}
	}
	if strings.HasSuffix(fileName, ".json") {
		if subdir == "" {
			return nil, errs.New(errs.Invalid, "Say which subdir these instructions are for, such as linux-64.").On("subdir")
		}
		p, err := readPatch(fileName, size, io.NewSectionReader(src, 0, size))
		if err != nil {
			return nil, err
		}
		return map[string]repodata.Patch{subdir: p}, nil
	}
	limits := r.opts.Limits
	limits.Lenient = true
	patches := map[string]repodata.Patch{}
	err := archive.EachFile(src, size, fileName, limits, func(name string, size int64, body io.Reader) error {
		dir, file := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		known := conda.CheckSubdir(dir) == nil
		if file != patchFile || !known || subdir != "" && dir != subdir {
			return nil
		}
		p, err := readPatch(name, size, body)
		if err == nil {
			patches[dir] = p
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(patches) == 0 {
		return nil, errs.New(errs.Invalid, "%s has no SUBDIR/%s among its files.", clip(fileName), patchFile).Because("no-patches")
	}
	return patches, nil
}

func readPatch(name string, size int64, body io.Reader) (repodata.Patch, error) {
	if size > maxPatchBytes {
		return repodata.Patch{}, errs.New(errs.TooLarge, "%s has %d bytes; the limit is %d.", clip(name), size, maxPatchBytes)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return repodata.Patch{}, fmt.Errorf("read %s: %w", name, err)
	}
	return repodata.ParsePatch(data)
}
