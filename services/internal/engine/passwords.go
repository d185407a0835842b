package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// usersFile holds the passwords, in the engine's folder.
const usersFile = "users.json"

// passwords are the engine's users and their passwords, as kept in usersFile (0600).
type passwords struct {
	Writer   string `json:"writer"`
	Reader   string `json:"reader"`
	Migrator string `json:"migrator"`
	SQL      string `json:"sql"`
}

// of returns the password of a role.
func (p passwords) of(role string) (string, bool) {
	switch role {
	case RoleWriter:
		return p.Writer, true
	case RoleReader:
		return p.Reader, true
	case RoleMigrator:
		return p.Migrator, true
	case RoleSQL:
		return p.SQL, true
	}
	return "", false
}

// loadPasswords reads the file at path, or creates it with random passwords.
func loadPasswords(path string) (passwords, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return savePasswords(path, passwords{
			Writer: datadir.RandomToken(), Reader: datadir.RandomToken(), Migrator: datadir.RandomToken(), SQL: datadir.RandomToken(),
		})
	}
	if err != nil {
		return passwords{}, fmt.Errorf("read engine users: %w", err)
	}
	var p passwords
	if err := json.Unmarshal(b, &p); err != nil || p.Writer == "" || p.Reader == "" || p.Migrator == "" {
		return p, errs.WithHint(errs.Invalid, "remove the file; new passwords are made at the next start and no data is lost",
			"the engine's user file %q is damaged", path)
	}
	if p.SQL == "" { // written by a build that did not have this user
		p.SQL = datadir.RandomToken()
		return savePasswords(path, p)
	}
	return p, nil
}

// savePasswords writes the file and returns what is in it.
func savePasswords(path string, p passwords) (passwords, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return p, fmt.Errorf("encode engine users: %w", err)
	}
	return p, datadir.WriteFile(path, append(b, '\n'))
}

// hash returns the form in which the engine keeps a password.
func hash(password string) string {
	s := sha256.Sum256([]byte(password))
	return hex.EncodeToString(s[:])
}
