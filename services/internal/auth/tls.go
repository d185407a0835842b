package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Lives of the generated certificates. Agents trust the authority, so it lives long; the server's is renewed by itself at a start
// once less than renewBefore is left, or when the machine has other names.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 397 * 24 * time.Hour
	renewBefore   = 60 * 24 * time.Hour
)

// Files in the TLS folder.
const (
	caCertFile     = "ca.pem"
	caKeyFile      = "ca-key.pem"
	serverCertFile = "cert.pem"
	serverKeyFile  = "key.pem"
)

// TLS is the certificate of the listeners.
type TLS struct {
	Config      *tls.Config
	CertPath    string
	KeyPath     string
	CAPath      string // What a sender has to trust; empty if the certificate is the user's own.
	Fingerprint string // SHA-256 of the server's certificate, in hex.
}

// LoadTLS returns the user's own certificate.
func LoadTLS(certPath, keyPath string) (*TLS, error) {
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, errs.WithHint(errs.Invalid, "tls_cert wants the PEM chain and tls_key its key", "TLS certificate: %v", err)
	}
	return newTLS(pair, certPath, keyPath, ""), nil
}

// SelfSigned returns a certificate for this machine's names and addresses, signed by an authority of this installation. Both are kept
// in dir and made when they are missing, about to expire, or do not name the machine as it is now.
func SelfSigned(dir string, now time.Time) (*TLS, error) {
	if err := datadir.Make(dir); err != nil {
		return nil, err
	}
	names, ips := machineNames()
	caPath, certPath, keyPath := filepath.Join(dir, caCertFile), filepath.Join(dir, serverCertFile), filepath.Join(dir, serverKeyFile)
	if pair, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil && covers(pair.Leaf, names, ips, now) {
		return newTLS(pair, certPath, keyPath, caPath), nil
	}
	ca, caKey, err := authority(dir, now)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0], Organization: []string{"Faultline"}},
		NotBefore:   now.Add(-time.Hour), // Clocks of senders may be behind.
		NotAfter:    now.Add(serverLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
		IPAddresses: ips,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	if err := issue(dir, serverCertFile, serverKeyFile, leaf, ca, key, caKey); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, fmt.Errorf("read the certificate just made: %w", err)
	}
	return newTLS(pair, certPath, keyPath, caPath), nil
}

// newTLS wraps a certificate.
func newTLS(pair tls.Certificate, certPath, keyPath, caPath string) *TLS {
	sum := sha256.Sum256(pair.Certificate[0])
	return &TLS{
		Config:      &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		CertPath:    certPath,
		KeyPath:     keyPath,
		CAPath:      caPath,
		Fingerprint: hex.EncodeToString(sum[:]),
	}
}

// covers reports whether a certificate is good for a while and names the machine as it is.
func covers(c *x509.Certificate, names []string, ips []net.IP, now time.Time) bool {
	if c == nil || now.Before(c.NotBefore) || now.Add(renewBefore).After(c.NotAfter) {
		return false
	}
	for _, n := range names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	for _, ip := range ips {
		if !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// authority reads the installation's authority from dir, or makes it.
func authority(dir string, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	certPath, keyPath := filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile)
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// It is not replaced: agents trust it.
		return nil, nil, errs.WithHint(errs.Invalid, "restore the files from a backup, or remove both and give the agents the new "+caCertFile, "authority in %s: %v", dir, err)
	}
	if err == nil && now.Add(serverLife).Before(pair.Leaf.NotAfter) {
		signer, ok := pair.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, nil, errs.New(errs.Invalid, "authority in %s: its key cannot sign", dir)
		}
		return pair.Leaf, signer, nil
	}
	host, _ := os.Hostname() // A nameless machine has a nameless authority.
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Faultline on " + host, Organization: []string{"Faultline"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	if err := issue(dir, caCertFile, caKeyFile, ca, ca, key, key); err != nil {
		return nil, nil, err
	}
	pair, err = tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority just made: %w", err)
	}
	return pair.Leaf, key, nil
}

// issue signs a certificate for key and writes both files, the key first: a certificate without its key is of no use.
func issue(dir, certFile, keyFile string, c, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("serial number: %w", err)
	}
	c.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		return fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	var cert bytes.Buffer
	cert.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if parent.Raw != nil {
		cert.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: parent.Raw}))
	}
	if err := datadir.WriteFile(filepath.Join(dir, keyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return err
	}
	return datadir.WriteFile(filepath.Join(dir, certFile), cert.Bytes())
}

// machineNames returns the names and addresses under which this machine may be called, localhost included.
func machineNames() ([]string, []net.IP) {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append([]string{host}, names...)
	}
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return names, ips // Then only loopback; the certificate can be made by the user.
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return names, ips
}
