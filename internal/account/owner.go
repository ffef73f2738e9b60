package account

import "time"

// Owner is a user or an organisation as everybody may see it.
type Owner struct {
	ID          string
	Name        string
	Kind        string // access.User or access.Organization
	FullName    string
	Company     string
	Location    string
	URL         string
	Description string
	CreatedAt   time.Time
}

// Profile are the fields of an owner that its administrators write.
type Profile struct {
	FullName    string
	Company     string
	Location    string
	URL         string
	Description string
}
