// Package packageadmin is the settings page on the end of a package.
package packageadmin

import "terrarium/internal/ui/shared"

// Page says what goes when the package is deleted.
type Page struct {
	shared.Page
	Frame     shared.PackageSettings
	Ends      []string // what ends, counted
	Days      int      // for how many the trash keeps its files
	DeleteURL string   // leads to the page that confirms the deletion
}
