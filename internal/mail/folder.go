package mail

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"terrarium/internal/errs"
)

func (m *Mailer) openFolder(path string) error {
	if path == "" {
		return errs.New(errs.Invalid, "The address for mails names no folder. Use dir:PATH.").On("mail")
	}
	folder, err := filepath.Abs(path)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The folder for mails cannot be found.")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The folder for mails cannot be made.")
	}
	m.folder = folder
	return nil
}

// store writes a mail under a name that sorts by time. It is there whole or not
// at all, and for the operator's eyes only: mails hold links that let people in.
func (m *Mailer) store(text []byte) error {
	name := m.opts.Now().UTC().Format("20060102T150405.000000Z") + "-" + rand.Text()[:8] + ".eml"
	if err := renameio.WriteFile(filepath.Join(m.folder, name), text, 0o600); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The mail cannot be written into its folder. The operator finds the cause in the log.")
	}
	return nil
}
