package repodata

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"slices"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// ChannelFile is what channeldata.json is made of: one file of any subdir.
type ChannelFile struct {
	Subdir string
	Record conda.Record
	About  []byte // info/about.json, or nil
	Flags  ChannelFlags
}

// ChannelFlags say what a package does to an environment.
type ChannelFlags struct {
	ActivateD    bool `json:"activate.d"`
	BinaryPrefix bool `json:"binary_prefix"`
	DeactivateD  bool `json:"deactivate.d"`
	PostLink     bool `json:"post_link"`
	PreLink      bool `json:"pre_link"`
	PreUnlink    bool `json:"pre_unlink"`
	TextPrefix   bool `json:"text_prefix"`
}

func (f *ChannelFlags) or(g ChannelFlags) {
	f.ActivateD = f.ActivateD || g.ActivateD
	f.BinaryPrefix = f.BinaryPrefix || g.BinaryPrefix
	f.DeactivateD = f.DeactivateD || g.DeactivateD
	f.PostLink = f.PostLink || g.PostLink
	f.PreLink = f.PreLink || g.PreLink
	f.PreUnlink = f.PreUnlink || g.PreUnlink
	f.TextPrefix = f.TextPrefix || g.TextPrefix
}

// ChannelPackage is what channeldata.json says of a package name: the newest
// version's own words, and what is true of any of its files.
type ChannelPackage struct {
	ChannelFlags
	// RunExports holds those of the newest build of each version that has any.
	RunExports map[string]jsontext.Value `json:"run_exports"`
	Subdirs    []string                  `json:"subdirs"`
	Timestamp  int64                     `json:"timestamp"` // Unix seconds, unlike a record's
	Version    string                    `json:"version"`
	// Texts are the optional fields out of about.json, such as summary, home
	// or license; each is a text or a list of texts.
	Texts map[string]jsontext.Value `json:",embed"`
}

// ChannelData is channeldata.json (CEP 38).
type ChannelData struct {
	Version  int                       `json:"channeldata_version"`
	Packages map[string]ChannelPackage `json:"packages"`
	Subdirs  []string                  `json:"subdirs"`
}

// aboutKeys are the keys of about.json that a channel repeats: those of the
// standard and those that conda-index adds.
var aboutKeys = [...]string{
	"description", "dev_url", "doc_source_url", "doc_url", "home", "icon_hash", "icon_url", "identifiers", "keywords",
	"license", "recipe_origin", "reference_package", "source_git_url", "source_url", "summary", "tags",
}

// NewChannelData gathers the files of a channel's subdirs. The order of files
// does not matter.
func NewChannelData(subdirs []string, files []ChannelFile) ChannelData {
	byName := map[string]*PackageFiles{}
	about := map[*PackageFiles][]byte{} // of the newest file
	for _, f := range files {
		p := byName[f.Record.Name]
		if p == nil {
			p = &PackageFiles{Name: f.Record.Name}
			byName[p.Name] = p
		}
		if p.add(f) {
			about[p] = f.About
		}
	}
	data := ChannelData{Version: 1, Packages: make(map[string]ChannelPackage, len(byName)), Subdirs: slices.Compact(slices.Sorted(slices.Values(subdirs)))}
	for name, p := range byName {
		data.Packages[name] = p.Package(about[p])
	}
	return data
}

// aboutTexts takes a file's own words out of its about.json.
func aboutTexts(about []byte, license string) map[string]jsontext.Value {
	texts := map[string]jsontext.Value{}
	var members map[string]jsontext.Value
	if len(about) > 0 && json.Unmarshal(about, &members) == nil {
		for _, key := range aboutKeys {
			if v, ok := members[key]; ok && textOrTexts(v) {
				texts[key] = v
			}
		}
	}
	if license != "" {
		texts["license"] = appendJSONString(nil, license)
	}
	return texts
}

// textOrTexts reports whether v is a text that is not empty, or a list of
// texts.
func textOrTexts(v jsontext.Value) bool {
	var s string
	if v.Kind() == '"' {
		return json.Unmarshal(v, &s) == nil && s != ""
	}
	var list []string
	return v.Kind() == '[' && json.Unmarshal(v, &list) == nil && len(list) > 0
}

// Encode encodes the document, its keys sorted.
func (d ChannelData) Encode() ([]byte, error) {
	b, err := marshal(d)
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	return canonicalJSON(v)
}

// Encode encodes what a channel says of one package, its keys sorted: the value
// that stands under its name in ChannelData.Encode.
func (p ChannelPackage) Encode() (jsontext.Value, error) {
	b, err := marshal(p)
	if err != nil {
		return nil, err
	}
	return canonicalJSON(jsontext.Value(b))
}

// ChannelDataHead and what ChannelDataTail gives stand around the packages of a
// channeldata.json that is put together from the encoded ones.
const ChannelDataHead = `{"channeldata_version":1,"packages":{`

// ChannelDataTail ends the packages and names the subdirs.
func ChannelDataTail(subdirs []string) ([]byte, error) {
	list, err := marshal(slices.Compact(slices.Sorted(slices.Values(subdirs))))
	if err != nil {
		return nil, err
	}
	return append(append([]byte(`},"subdirs":`), list...), '}'), nil
}

// maxChannelData is the largest channeldata.json that is read, in bytes; that
// of conda-forge has about 30 MB.
const maxChannelData = 256 << 20

// DecodeChannelData reads the channeldata.json of any server. It returns
// errs.Invalid, or errs.TooLarge above 256 MiB.
func DecodeChannelData(data []byte) (ChannelData, error) {
	if len(data) > maxChannelData {
		return ChannelData{}, errs.New(errs.TooLarge, "channeldata.json has %d bytes; the limit is %d.", len(data), maxChannelData)
	}
	var d ChannelData
	if err := unmarshal(data, &d); err != nil {
		return ChannelData{}, errs.Wrap(errs.Invalid, err, "channeldata.json cannot be read.")
	}
	return d, nil
}

// marshal and unmarshal are encoding/json/v2 with the options of every small
// document here: maps in the order of their keys; unknown keys passed over.
func marshal(v any) ([]byte, error)         { return json.Marshal(v, json.Deterministic(true)) }
func unmarshal(data []byte, into any) error { return json.Unmarshal(data, into) }
