//go:build browser

package browser

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// world is an instance with the packages that the pictures show.
type world struct {
	*apptest.App
	ana, ben *apptest.Person
}

// artefact is a package of one release: what it is, when and by whom it was
// released, and how often it is downloaded in 30 days.
type artefact struct {
	owner, name, version string
	age                  time.Duration
	summary, licence     string
	monthly              float64
	subdirs              []string // none: noarch
	channel              string   // none: main
	private              bool
	by                   *apptest.Person // nil: the system
}

// fill makes people, owners, packages and downloads through the doors that
// everybody has, with a clock that goes through the last 400 days.
func fill(t *testing.T) *world {
	t.Helper()
	w := &world{App: apptest.New(t, apptest.Setting("instance_name", "Acme"))}
	w.ana, w.ben = w.User(t, "ana"), w.User(t, "ben")
	age := 400 * day
	w.Clock.Pass(-age)
	// back goes on to a time that lies so far back.
	back := func(to time.Duration) {
		w.Clock.Pass(age - to)
		age = to
	}

	for _, name := range []string{"acme", "bio"} {
		w.Org(t, name, w.ben)
	}
	w.must(t, w.Accounts.EnsureOrganization(t.Context(), "conda-forge", "Community packages"))
	w.must(t, w.Accounts.AddMember(t.Context(), w.ben.Actor(t), "acme", "ana", access.RoleAdministrator))
	w.must(t, w.Accounts.AddMember(t.Context(), w.ben.Actor(t), "bio", "ana", access.RoleMember))
	for owner, about := range map[string]string{"acme": "Acme platform team", "bio": "Bioinformatics core"} {
		w.must(t, w.Accounts.UpdateProfile(t.Context(), w.ben.Actor(t), owner, account.Profile{Description: about, URL: "https://" + owner + ".example/"}))
	}
	w.must(t, w.Accounts.UpdateProfile(t.Context(), w.ana.Actor(t), "ana", account.Profile{FullName: "Ana Oliveira", Location: "Lisbon", Description: "Maps and the data below them"}))
	for _, channel := range [][2]string{{"prod", "What production may use"}, {"rc", "Release candidates"}} {
		_, err := w.Registry.CreateChannel(t.Context(), w.ben.Actor(t), "acme", registry.NewChannel{Name: channel[0], Description: channel[1]})
		w.must(t, err)
	}

	list := append(artefacts(w), rasterioHistory(w)...)
	slices.SortStableFunc(list, func(a, b artefact) int { return int(b.age - a.age) })
	monthly := map[string]float64{}
	files := map[string][]registry.File{}
	for _, a := range list {
		back(a.age)
		name := a.owner + "/" + a.name
		for _, s := range specs(a) {
			files[name] = append(files[name], w.upload(t, a, s))
		}
		monthly[name] = max(monthly[name], a.monthly)
	}
	back(hour)
	for _, l := range [][3]string{{"rc", "rasterio", "1.4.3"}, {"prod", "gdal", "3.10.3"}, {"prod", "pyproj", "3.7.1"}, {"prod", "xarray", "2025.4.0"}} {
		_, err := w.Registry.AddLabel(t.Context(), w.ben.Actor(t), "acme", l[0], registry.Selector{Package: &l[1], Version: &l[2]})
		w.must(t, err)
	}

	for d := 44; d >= 0; d-- {
		back(time.Duration(d) * day)
		for name, per := range monthly {
			list := files[name]
			for range perDay(name, d, per) {
				w.Registry.CountDownload(list[len(list)-1])
			}
		}
	}
	w.must(t, w.Registry.FlushDownloads(t.Context()))
	return w
}

func (w *world) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// perDay are the downloads of a package on a day: a slow wave, fewer on two days
// of seven, and a little of its own.
func perDay(name string, d int, monthly float64) int {
	var seed float64
	for _, c := range name {
		seed += float64(c)
	}
	level := 1 + 0.3*math.Sin(seed+float64(d)/9) + 0.12*math.Sin(seed+1.7*float64(d))
	if d%7 == 1 || d%7 == 2 {
		level *= 0.55
	}
	_, part := math.Modf(seed + 0.618*float64(d)) // so that rare downloads are spread, not lost
	return int(monthly/30*level*1.04 + part)
}

// specs are the files of a release: one without a platform, or one for each
// platform and Python.
func specs(a artefact) []condatest.Spec {
	s := condatest.Spec{Name: a.name, Version: a.version, Build: "0", License: a.licence, Summary: a.summary}
	if len(a.subdirs) == 0 {
		s.Noarch, s.Build, s.Depends = "python", "pyhd8ed1ab_0", []string{"python >=3.10", "numpy >=1.21"}
		return []condatest.Spec{s}
	}
	var list []condatest.Spec
	pythons := []string{"3.12"}
	if a.name == "rasterio" && a.version == "1.4.3" {
		pythons = []string{"3.10", "3.11", "3.12", "3.13"}
		s.README, s.BuildNumber = readme, 2
	}
	if a.name == "gdal" {
		s.README = longReadme
	}
	for i, subdir := range a.subdirs {
		for _, python := range pythons {
			if python == "3.13" && subdir == "win-64" {
				continue
			}
			s.Subdir = subdir
			if a.name == "rasterio" {
				digits := "3" + python[2:]
				s.Build = fmt.Sprintf("py%sh9f2c_%d", digits, s.BuildNumber)
				s.Depends = append(slices.Clone(needs()), "python >="+python+",<3."+fmt.Sprint(python[2:])+".99")
				s.PadTo = 79_000 - 1000*i
			}
			list = append(list, s)
		}
	}
	return list
}

// upload publishes one file of a release.
func (w *world) upload(t *testing.T, a artefact, s condatest.Spec) registry.File {
	t.Helper()
	p := s.Package()
	if a.name == "rasterio" {
		p.About["home"], p.About["dev_url"] = "https://rasterio.readthedocs.io/", "https://github.com/rasterio/rasterio"
	}
	var b bytes.Buffer
	w.must(t, archive.Write(&b, conda.FormatConda, p))
	actor := access.System()
	if a.by != nil {
		actor = a.by.Actor(t)
	}
	f, _, err := w.Registry.Upload(t.Context(), actor, registry.UploadRequest{
		Owner: a.owner, Channel: a.channel, FileName: s.FileName(), Body: &b, Size: int64(b.Len()), Private: a.private,
	})
	w.must(t, err)
	return f
}

// five are the platforms of the pictures.
func five() []string { return []string{"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"} }

// needs are the dependencies of rasterio but Python.
func needs() []string {
	return []string{
		"affine", "attrs", "certifi", "click >=4.0", "click-plugins", "cligj >=0.5", "libgdal-core >=3.10.3,<3.11.0a0",
		"numpy >=1.21,<3", "proj >=9.6.0,<9.7.0a0", "pyparsing >=2.1.0", "snuggs >=1.4.1", "libstdcxx >=13", "libgcc >=13", "setuptools >=0.9.8", "__glibc >=2.17,<3.0.a0", "python_abi 3.*",
	}
}

// artefacts are the packages of the pictures.
func artefacts(w *world) []artefact {
	linux := []string{"linux-64"}
	list := []artefact{
		{"acme", "xarray", "2025.4.0", 5 * hour, "N-D labelled arrays and datasets in Python", "Apache-2.0", 5100, nil, "", false, w.ben},
		{"acme", "gdal", "3.10.3", 25 * hour, "Translator library for raster and vector formats", "MIT", 23190, five(), "", false, w.ben},
		{"bio", "samtools", "1.21", 27 * hour, "Tools for reading and writing SAM, BAM and CRAM", "MIT", 900, five()[:2], "", false, w.ben},
		{"acme", "pyproj", "3.7.1", 2 * day, "Python interface to PROJ", "MIT", 8740, five(), "", false, w.ana},
		{"acme", "rasterio", "1.4.3", 3 * day, "Fast and direct raster I/O for use with NumPy. Reads and writes GeoTIFF and other gridded data sets through GDAL.", "BSD-3-Clause", 11482, five(), "", false, w.ben},
		{"ana", "cookiecutter-geo", "0.4.0", 3*day + hour, "Project template for geospatial work", "MIT", 96, nil, "", false, w.ana},
		{"ana", "survey-notebooks", "2026.11", 14 * day, "Field notes of the coast survey", "Proprietary", 18, nil, "", true, w.ana},
		{"ana", "cartopy-themes", "0.2.1", 120 * day, "Colours for maps", "BSD-3-Clause", 207, nil, "", false, w.ana},
		{"acme", "rioxarray", "0.19.0", 21 * day, "xarray extension powered by rasterio", "Apache-2.0", 6204, nil, "", false, w.ben},
		{"acme", "raster-tiles", "0.8.2", 6 * day, "Cut and serve raster tiles; used by the map team", "Proprietary", 412, linux, "", true, w.ben},
		{"conda-forge", "numpy", "2.2.6", 30 * day, "The fundamental package for scientific computing with Python", "BSD-3-Clause", 18400, five(), "", false, nil},
		{"conda-forge", "python", "3.12.11", 40 * day, "General purpose programming language", "Python-2.0", 17100, five(), "", false, nil},
		{"conda-forge", "pandas", "2.3.0", 50 * day, "High-performance, easy-to-use data structures", "BSD-3-Clause", 12200, linux, "", false, nil},
		{"conda-forge", "scikit-learn", "1.7.0", 55 * day, "A set of Python modules for machine learning", "BSD-3-Clause", 8800, linux, "", false, nil},
		{"conda-forge", "polars", "1.31.0", 35 * day, "Blazingly fast DataFrame library", "MIT", 4100, linux, "", false, nil},
		{"conda-forge", "rasterio", "1.4.3", 150 * day, "Rasterio reads and writes geospatial raster datasets", "BSD-3-Clause", 3812, five(), "", false, nil},
		{"conda-forge", "rasterstats", "0.20.0", 380 * day, "Summarise raster data with vector geometries", "BSD-3-Clause", 487, nil, "", false, nil},
		{"conda-forge", "gdal", "3.10.3", 120 * day, "Translator library for raster and vector geospatial formats", "MIT", 5290, five(), "", false, nil},
		{"conda-forge", "r-raster", "3.6_32", 210 * day, "Reading, writing and modelling gridded spatial data", "GPL-3.0-or-later", 901, five()[:4], "", false, nil},
		{"conda-forge", "rio-cogeo", "5.4.1", 150 * day, "Cloud optimised GeoTIFF plugin for rasterio", "BSD-3-Clause", 337, nil, "", false, nil},
		{"conda-forge", "libwebp-base", "1.3.1", 390 * day, "WebP image library: raster image coding", "BSD-3-Clause", 120, five(), "", false, nil},
	}
	for i, name := range []string{"affine", "cligj", "fiona", "geopandas", "pyogrio", "shapely", "snuggs", "stac-client", "titiler"} {
		list = append(list, artefact{"acme", name, "1." + fmt.Sprint(i), time.Duration(60+9*i) * day, "One of the packages that maps are made with", "MIT", float64(40 * i), nil, "", false, w.ben})
	}
	return list
}

// rasterioHistory are the older releases of rasterio.
func rasterioHistory(w *world) []artefact {
	var list []artefact
	for i, version := range []string{
		"1.4.2", "1.4.1", "1.4.0rc1", "1.3.11", "1.3.10", "1.3.9", "1.3.8", "1.3.7", "1.3.6", "1.3.5", "1.3.4", "1.3.3", "1.3.2", "1.3.1", "1.3.0", "1.2.10", "1.2.9", "1.2.8", "1.2.7", "1.2.6", "1.2.5", "1.2.4",
	} {
		a := artefact{"acme", "rasterio", version, time.Duration(43+i*16) * day, "Fast and direct raster I/O for use with NumPy. Reads and writes GeoTIFF and other gridded data sets through GDAL.", "BSD-3-Clause", 0, []string{"linux-64"}, "", false, w.ben}
		if version == "1.4.0rc1" {
			a.channel = "rc"
		}
		list = append(list, a)
	}
	return list
}

const readme = `# Rasterio

Rasterio reads and writes geospatial raster data. Geographic information systems use [GeoTIFF](https://www.ogc.org/) and other formats to organise and store gridded, or raster, data sets. Rasterio reads and writes these formats and provides a Python API based on N-D arrays.

### Example

` + "```python" + `
import rasterio

with rasterio.open("tests/data/RGB.byte.tif") as src:
    r, g, b = src.read()
    print(src.crs, src.bounds)      # EPSG:32618 BoundingBox(…)
` + "```" + `
`

// longReadme has everything that Markdown can say, and more than is shown at
// once.
const longReadme = `# GDAL

### Speed

| format | read | write |
|---|---:|---:|
| GeoTIFF | 410 MB/s | 290 MB/s |
| JPEG 2000 | 80 MB/s | 31 MB/s |

- windows
- colours

> Rasterio is made by people who make maps.

1. Open a file.
2. Read it.
3. Close it.

Further reading: the *manual*, the **tests**, ` + "`rio --help`" + `.

Thanks to everybody who helped.

` + "```\nthis line of code is much longer than any phone is wide, and it does not wrap, so that the box around it has to scroll by itself\n```" + `

1. one

2. two

3. three

4. four

5. five

6. six

7. seven

8. eight

9. nine
`
