// Shakes hands with a server as Go's own clients do, and writes the group of the key exchange.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	address, name, file := os.Args[1], os.Args[2], os.Args[3]
	pem, err := os.ReadFile(file)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	connection, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
	check(err)
	defer connection.Close()
	fmt.Println(connection.ConnectionState().CurveID)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
