#!/bin/sh
# Makes a certificate authority of the lab's own, and a certificate of the coordinator under it. Where the folder has an
# authority already, only the coordinator's certificate is made anew.
#
#   sh deploy/tls/make-certificates.sh FOLDER NAME...
#
# The names are all that machines call the coordinator by: host names and addresses. What goes to each machine that
# computes is FOLDER/ca.crt, which is no secret. FOLDER/ca.key makes certificates that they trust: keep it off line.
set -eu

if [ $# -lt 2 ]; then
  echo 'usage: make-certificates.sh FOLDER NAME...' >&2
  exit 2
fi
folder=$1
shift
umask 077
mkdir -p "$folder"
cd "$folder"

names=
for name in "$@"; do
  case $name in
    *[!0-9a-fA-F.:]* | *[g-zG-Z]*) kind=DNS ;;
    *:* | *.*.*.*) kind=IP ;;
    *) kind=DNS ;;
  esac
  names="$names${names:+,}$kind:$name"
done

key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
if [ ! -e ca.key ]; then
  # shellcheck disable=SC2086
  openssl req -x509 $key -days 3650 -subj '/CN=Bitfleet certificate authority' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    -keyout ca.key -out ca.crt 2>/dev/null
fi
# shellcheck disable=SC2086
openssl req -new $key -subj "/CN=Bitfleet coordinator" -keyout coordinator.key -out coordinator.csr 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" >coordinator.ext
openssl x509 -req -in coordinator.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 \
  -extfile coordinator.ext -out coordinator.crt 2>/dev/null
rm coordinator.csr coordinator.ext
chmod 644 ca.crt coordinator.crt
# The coordinator's user gets in here; of the keys it can read the one that it is given.
chmod 755 .
openssl verify -CAfile ca.crt coordinator.crt >/dev/null
echo "$folder: ca.crt for the machines; coordinator.crt and coordinator.key for the coordinator ($names)"
