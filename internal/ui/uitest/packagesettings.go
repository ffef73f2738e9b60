package uitest

import (
	"terrarium/internal/ui/pages/settings/packageadmin"
	"terrarium/internal/ui/pages/settings/packagegeneral"
	"terrarium/internal/ui/shared"
)

// packageSettings are the settings pages of a package.
func (f frames) packageSettings() []Case {
	frame := func(current string) shared.PackageSettings {
		s := shared.PackageSettings{Head: f.head("Settings"), Links: []shared.SideLink{
			{Label: "General", Icon: "settings", Href: "/acme/rasterio/settings/general"}, {Label: "Admin", Icon: "sliders-horizontal", Href: "/acme/rasterio/settings/admin"},
		}}
		s.Head.Short = true
		for i := range s.Links {
			s.Links[i].Current = s.Links[i].Label == current
		}
		return s
	}
	member := f.member("General · rasterio · acme", "/acme/rasterio/settings/general", "acme")
	summary := "Fast and direct raster I/O for use with NumPy"
	full := packagegeneral.Page{
		Page: member, Frame: frame("General"), Summary: packagegeneral.Text{Value: summary, Was: summary}, Home: packagegeneral.Text{Value: "https://rasterio.example/", Was: "https://rasterio.example/"},
		Visibility: []shared.Option{
			{Value: "public", Label: "Public", Hint: "Everybody finds, reads and installs it, also without an account.", Selected: true},
			{Value: "private", Label: "Private", Hint: "14 people can read and install it: the owners and administrators of acme, and whom a grant lets in. To all others it does not exist."},
		},
		Was: "public", Changes: []string{"It leaves the index of acme/main, acme/rc at once for all but those people.", "11,482 downloads in the last 30 days.", "31 packages of acme need it."},
		MaxSummary: 500, MaxHome: 500, Action: "/acme/rasterio/settings/general",
	}
	shut := full
	shut.Visibility = []shared.Option{{Value: "public", Label: "Public"}, {Value: "private", Label: "Private", Selected: true}}
	shut.Was, shut.Changes, shut.Why = "private", []string{"19 files in acme/main can be fetched by everybody at once. What is fetched cannot be called back."}, "Verify your e-mail address first; then you can publish."
	wrong := full
	wrong.Home.Value, wrong.Errors = "rasterio.example", shared.Problems{{Field: "home", Text: "The home page is an address that begins with https:// or http://."}}
	taken := full
	taken.Summary = packagegeneral.Text{Value: "Rasters for NumPy", Was: "Reads rasters", Taken: true}
	taken.Home = packagegeneral.Text{Value: "", Was: "https://other.example/", Taken: true}
	taken.Errors = shared.Problems{{Field: "summary", Text: "Somebody else changed the summary meanwhile. Choose which one stays."}, {Field: "home", Text: "Somebody else changed the home page meanwhile. Choose which one stays."}}
	admin := packageadmin.Page{
		Page: f.member("Admin · rasterio · acme", "/acme/rasterio/settings/admin", "acme"), Frame: frame("Admin"), Days: 14, DeleteURL: "/acme/rasterio/settings/admin/delete",
		Ends: []string{"23 releases with 402 files, 3.1 GB, in acme/main, acme/rc.", "11,482 downloads in the last 30 days.", "31 packages of acme need it."},
	}
	return []Case{
		{"packagegeneral-full", packagegeneral.View(full)},
		{"packagegeneral-private", packagegeneral.View(shut)},
		{"packagegeneral-error", packagegeneral.View(wrong)},
		{"packagegeneral-conflict", packagegeneral.View(taken)},
		{"packageadmin-full", packageadmin.View(admin)},
	}
}
