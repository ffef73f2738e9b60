package app

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"terrarium/internal/errs"
)

// devCertificate makes, in DATA/tls, a certificate authority for this machine
// and a certificate for the public address, localhost and the loopback
// addresses; both are kept, and made anew when they end or do not fit. It gives
// the certificate and where the authority's certificate lies.
func devCertificate(cfg Config, now time.Time) (tls.Certificate, string, error) {
	dir := filepath.Join(cfg.Data, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, "", errs.Wrap(errs.Unavailable, err, "The folder %s cannot be made.", dir)
	}
	caFile := filepath.Join(dir, "ca.pem")
	ca, err := loadPair(caFile, filepath.Join(dir, "ca.key"))
	if err != nil || now.After(ca.Leaf.NotAfter) {
		ca, err = makePair(caFile, filepath.Join(dir, "ca.key"), nil, &x509.Certificate{
			Subject:  pkix.Name{CommonName: "Terrarium development authority"},
			NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}, now)
		if err != nil {
			return tls.Certificate{}, "", err
		}
	}
	host := "localhost"
	if u, err := url.Parse(cfg.URL); err == nil {
		host = u.Hostname()
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert.key")
	cert, err := loadPair(certFile, keyFile)
	if err == nil && cert.Leaf.VerifyHostname(host) == nil && now.Before(cert.Leaf.NotAfter.AddDate(0, 0, -7)) && cert.Leaf.CheckSignatureFrom(ca.Leaf) == nil {
		return cert, caFile, nil
	}
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, NotAfter: now.AddDate(0, 0, 390),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = append(leaf.IPAddresses, ip)
	} else {
		leaf.DNSNames = append(leaf.DNSNames, host)
	}
	cert, err = makePair(certFile, keyFile, &ca, leaf, now)
	return cert, caFile, err
}

func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// makePair makes a key and a certificate signed by signer, or by itself.
func makePair(certFile, keyFile string, signer *tls.Certificate, template *x509.Certificate, now time.Time) (tls.Certificate, error) {
	fail := func(err error) (tls.Certificate, error) {
		return tls.Certificate{}, errs.Wrap(errs.Unavailable, err, "The certificate %s cannot be made.", certFile)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fail(err)
	}
	template.SerialNumber, template.NotBefore = serial, now.Add(-time.Hour)
	parent, parentKey := template, crypto.Signer(key)
	if signer != nil {
		parent = signer.Leaf
		k, ok := signer.PrivateKey.(crypto.Signer)
		if !ok {
			return fail(errors.New("the authority's key cannot sign"))
		}
		parentKey = k
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return fail(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fail(err)
	}
	if err := renameio.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return fail(err)
	}
	if err := renameio.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return fail(err)
	}
	return loadPair(certFile, keyFile)
}
