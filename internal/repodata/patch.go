package repodata

import (
	"bytes"
	"encoding/json/jsontext"
	"maps"
	"slices"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// Patch is a patch_instructions.json: the hotfixes of one subdir.
type Patch struct {
	version       int
	packages      map[string]map[string]jsontext.Value
	packagesConda map[string]map[string]jsontext.Value
	revoke        map[string]bool
	remove        map[string]bool
}

// maxPatch is the largest patch_instructions.json that is read, in bytes;
// those of conda-forge have about 100 MB.
const maxPatch = 512 << 20

// revokedDependency is what a revoked record depends on; no package has this
// name, so that it cannot be installed.
const revokedDependency = "package_has_been_revoked"

// unpatchable are the fields that say which bytes a record stands for, or when
// they were first seen (CEP 47): no hotfix changes them.
var unpatchable = [...]string{
	"name", "version", "build", "subdir", "md5", "sha256", "size", "indexed_timestamp", "schema_version",
	"fn", "url", "legacy_bz2_md5", "legacy_bz2_size",
}

// ParsePatch reads patch instructions of version 1 or 2. It returns
// errs.Invalid, or errs.TooLarge above 512 MiB.
func ParsePatch(data []byte) (Patch, error) {
	if len(data) > maxPatch {
		return Patch{}, errs.New(errs.TooLarge, "patch_instructions.json has %d bytes; the limit is %d.", len(data), maxPatch)
	}
	var doc struct {
		Version       int                                  `json:"patch_instructions_version"`
		Packages      map[string]map[string]jsontext.Value `json:"packages"`
		PackagesConda map[string]map[string]jsontext.Value `json:"packages.conda"`
		Revoke        []string                             `json:"revoke"`
		Remove        []string                             `json:"remove"`
	}
	if err := unmarshal(data, &doc); err != nil {
		return Patch{}, errs.Wrap(errs.Invalid, err, "patch_instructions.json cannot be read.")
	}
	if doc.Version < 1 || doc.Version > 2 {
		return Patch{}, errs.New(errs.Invalid, "patch_instructions.json has version %d; only 1 and 2 can be applied.", doc.Version)
	}
	return Patch{
		version: doc.Version, packages: doc.Packages, packagesConda: doc.PackagesConda,
		revoke: set(doc.Revoke), remove: set(doc.Remove),
	}, nil
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// Files gives the names of all files that the patch speaks of, sorted. Where
// it names a .tar.bz2, the .conda of the same stem is meant too and listed.
func (p Patch) Files() []string {
	names := map[string]bool{}
	for _, m := range []map[string]bool{p.revoke, p.remove} {
		maps.Copy(names, m)
	}
	for name := range p.packages {
		names[name] = true
	}
	for name := range names {
		if stem, ok := strings.CutSuffix(name, suffixTarBz2); ok {
			names[stem+suffixConda] = true
		}
	}
	for name := range p.packagesConda {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Removes reports whether the patch takes a file out of the index: its record
// goes, its name stands under removed.
func (p Patch) Removes(fileName string) bool { return named(p.remove, fileName) }

// named reports whether a file, or the .tar.bz2 that it is the twin of, is in
// a set.
func named(m map[string]bool, fileName string) bool {
	if m[fileName] {
		return true
	}
	stem, ok := strings.CutSuffix(fileName, suffixConda)
	return ok && m[stem+suffixTarBz2]
}

// Apply gives the record as the patch has it, and whether it differs. What is
// written for a .tar.bz2 holds for the .conda of the same stem as well, before
// its own instructions. Values replace a field, objects are merged into one,
// null takes it away. Fields that say which bytes the record stands for stay
// as they are, and run_exports unless the patch is of version 2. A patch that
// makes the record unreadable is errs.Invalid.
func (p Patch) Apply(fileName string, r conda.Record) (patched conda.Record, changed bool, err error) {
	before, err := EncodeRecord(r)
	if err != nil {
		return r, false, err
	}
	patched, _, changed, err = p.ApplyEncoded(fileName, before)
	if err != nil || !changed {
		return r, false, err
	}
	return patched, true, nil
}

// ApplyEncoded is Apply for a record in the forms that its row keeps, of which the
// msgpack is not needed, and gives those of the patched one. Of a record that does
// not differ it gives nothing.
func (p Patch) ApplyEncoded(fileName string, before Encoded) (patched conda.Record, after Encoded, changed bool, err error) {
	steps := p.steps(fileName)
	revoked := named(p.revoke, fileName)
	if !revoked && !slices.ContainsFunc(steps, func(s map[string]jsontext.Value) bool { return len(s) > 0 }) {
		return conda.Record{}, Encoded{}, false, nil
	}
	fields, err := membersOf(before.JSON)
	if err != nil {
		return conda.Record{}, Encoded{}, false, err
	}
	if before.RunExports != nil {
		fields = append(fields, member{"run_exports", before.RunExports})
	}
	for _, step := range steps {
		for key, value := range step {
			if slices.Contains(unpatchable[:], key) || key == "run_exports" && p.version < 2 {
				continue
			}
			if fields, err = fields.merge(key, value); err != nil {
				return conda.Record{}, Encoded{}, false, errs.Wrap(errs.Invalid, err, "The patch of %s cannot be applied to %q.", shorten(fileName), key)
			}
		}
	}
	if patched, err = parseRecord(fields.text()); err != nil {
		return conda.Record{}, Encoded{}, false, errs.Wrap(errs.Invalid, err, "The patch of %s makes its record unreadable.", shorten(fileName))
	}
	if revoked {
		if !slices.Contains(patched.Depends, revokedDependency) { // or a second time would change it again
			patched.Depends = append(slices.Clone(patched.Depends), revokedDependency)
		}
		patched.Extra = maps.Clone(patched.Extra)
		if patched.Extra == nil {
			patched.Extra = map[string]jsontext.Value{}
		}
		patched.Extra["revoked"] = jsontext.Value("true")
	}
	if after, err = EncodeRecord(patched); err != nil {
		return conda.Record{}, Encoded{}, false, err
	}
	if bytes.Equal(after.JSON, before.JSON) && bytes.Equal(after.RunExports, before.RunExports) {
		return conda.Record{}, Encoded{}, false, nil
	}
	return patched, after, true, nil
}

// steps are the instructions for a file, in their order.
func (p Patch) steps(fileName string) []map[string]jsontext.Value {
	if strings.HasSuffix(fileName, suffixTarBz2) {
		return []map[string]jsontext.Value{p.packages[fileName]}
	}
	if stem, ok := strings.CutSuffix(fileName, suffixConda); ok {
		return []map[string]jsontext.Value{p.packages[stem+suffixTarBz2], p.packagesConda[fileName]}
	}
	return nil
}

// Check refuses, as errs.Invalid, instructions for a file that would give another
// value to a field which says which bytes the record stands for. Apply passes over
// them; who publishes a patch should hear of it.
func (p Patch) Check(fileName string, r Encoded) error {
	var fields members
	var faults []string
	for _, step := range p.steps(fileName) {
		for _, key := range unpatchable {
			value, there := step[key]
			if !there {
				continue
			}
			if fields == nil {
				var err error
				if fields, err = membersOf(r.JSON); err != nil {
					return err
				}
			}
			var was jsontext.Value
			if i := fields.find(key); i >= 0 {
				was = fields[i].value
			}
			same := value.Kind() == 'n' && was == nil
			if was != nil {
				a, errA := canonicalJSON(was)
				b, errB := canonicalJSON(value)
				same = errA == nil && errB == nil && string(a) == string(b)
			}
			if !same && !slices.Contains(faults, key) {
				faults = append(faults, key)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "A hotfix cannot change %s.", strings.Join(faults, ", "))
}
