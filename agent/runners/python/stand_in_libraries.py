"""Makes stand-ins for NVIDIA's libraries that a build of PyTorch is linked against and does not bring along.

    python3 stand_in_libraries.py FOLDER

PyPI's wheel for x86-64 is the one for GPUs. It computes on the processor without NVIDIA's libraries, three gigabytes of
them, but the dynamic loader refuses to load it without. A stand-in has the name, the functions and the symbol versions
that are asked of such a library, and each of its functions returns 100, which is `cudaErrorNoDevice`: PyTorch finds no
GPU. Nothing else is ever made: a library of another name that is missing is an error. Prints what it made, a line each.

ELF-64, little-endian, x86-64. See System V ABI, Chapter 5; Linux Standard Base Core 5.0, 10.7 (symbol versions).
"""

import ctypes
import os
import re
import struct
import sys

_nvidia = re.compile(
    r"^lib(?:cuda|cudart|cublas|cublasLt|cudnn|cudss|cufft|cufile|cupti|curand|cusolver|cusparse|cusparseLt|nccl"
    r"|nvrtc|nvJitLink|nvToolsExt|nvshmem_host)\.so(?:\.\d+)*$"
)
_nvidia_symbol = re.compile(r"^(?:cu[A-Z]|cu[a-z]+[A-Z]|nccl|nv|__cuda)\w+$")
_sht_dynamic, _dt_needed, _dt_strtab, _dt_symtab, _dt_verneed, _dt_versym = 6, 1, 5, 6, 0x6FFFFFFE, 0x6FFFFFF0
_dt_hash, _dt_strsz, _dt_syment, _dt_soname, _dt_verdef, _dt_verdefnum = 4, 10, 11, 14, 0x6FFFFFFC, 0x6FFFFFFD
_page = 0x1000
#: mov eax, 100; ret
_function = bytes.fromhex("b864000000c3")


class Library:
    """What the dynamic loader would read of a shared object."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self._file = file
            header = file.read(64)
            if header[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", header, 18)[0] != 62:
                raise SystemExit(f"{path} is no shared object for x86-64")
            # Undefined are (name, file, version); file and version are None where none is asked for.
            self.needed, self.undefined, self.defined = [], set(), set()
            self._sections = self._read_sections(header)
            if not self._sections:
                # A stand-in, which asks nothing of anyone.
                return
            dynamic = self._section(_sht_dynamic)
            tags = list(struct.iter_unpack("<QQ", self._at(dynamic[4], dynamic[5])))
            self._strings = self._bytes_of(dict(tags)[_dt_strtab])
            self.needed = [self._string(value) for tag, value in tags if tag == _dt_needed]
            self._read_symbols(dict(tags))

    def _at(self, offset, size):
        self._file.seek(offset)
        return self._file.read(size)

    def _read_sections(self, header):
        (offset,) = struct.unpack_from("<Q", header, 40)
        size, count = struct.unpack_from("<HH", header, 58)
        table = self._at(offset, size * count)
        # Name, type, flags, address, offset, size, link, info, alignment, entry size.
        return [struct.unpack_from("<IIQQQQIIQQ", table, i * size) for i in range(count)]

    def _section(self, kind):
        return next(section for section in self._sections if section[1] == kind)

    def _bytes_of(self, address):
        section = next(section for section in self._sections if section[3] == address and section[1] != 0)
        return self._at(section[4], section[5])

    def _string(self, at):
        return self._strings[at : self._strings.index(b"\0", at)].decode()

    def _read_symbols(self, tags):
        versions = self._read_versions(self._bytes_of(tags[_dt_verneed])) if _dt_verneed in tags else {}
        symbols = self._bytes_of(tags[_dt_symtab])
        numbers = self._bytes_of(tags[_dt_versym]) if _dt_versym in tags else bytes(len(symbols) // 12)
        for i, (name, info, _, section, _, _) in enumerate(struct.iter_unpack("<IBBHQQ", symbols)):
            binding = info >> 4
            if section != 0:
                self.defined.add(self._string(name))
            elif binding == 1:
                (number,) = struct.unpack_from("<H", numbers, 2 * i)
                self.undefined.add((self._string(name), *versions.get(number & 0x7FFF, (None, None))))

    def _read_versions(self, table):
        """By number: the file and the version that is asked of it."""
        found, at = {}, 0
        while True:
            _, count, file, first, following = struct.unpack_from("<HHIII", table, at)
            entry = at + first
            for _ in range(count):
                _, _, number, name, next_entry = struct.unpack_from("<IHHII", table, entry)
                found[number] = (self._string(file), self._string(name))
                entry += next_entry
            if following == 0:
                return found
            at += following


def _elf_hash(name):
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


class _Strings:
    def __init__(self):
        self.data = bytearray(b"\0")
        self._known = {}

    def add(self, text):
        if text not in self._known:
            self._known[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._known[text]


def make_stand_in(soname, symbols):
    """The bytes of a shared object with functions of these names and versions (None for none)."""
    strings = _Strings()
    soname_at = strings.add(soname)
    symbols = sorted(symbols, key=lambda symbol: (symbol[0], symbol[1] or ""))
    versions = sorted({version for _, version in symbols if version})
    number_of = {version: i + 2 for i, version in enumerate(versions)}

    # One bucket for all: none of these tables is large.
    count = len(symbols) + 1
    chain = [0, *[i + 1 for i in range(1, count - 1)], 0][:count]
    table = struct.pack(f"<{3 + count}I", 1, count, 1 if symbols else 0, *chain)

    definitions = bytearray()
    for i, name in enumerate([soname, *versions]):
        following = 0 if i == len(versions) else 28
        definitions += struct.pack("<HHHHIII", 1, 1 if i == 0 else 0, i + 1, 1, _elf_hash(name), 20, following)
        definitions += struct.pack("<II", strings.add(name), 0)
    numbers = struct.pack(f"<{count}H", 0, *(number_of.get(version, 1) for _, version in symbols))

    code_at = 64 + 4 * 56
    names = [strings.add(name) for name, _ in symbols]
    parts = {"code": _function}
    # A global function each, in section 1, which only has to be one.
    parts["symbols"] = bytes(24) + b"".join(struct.pack("<IBBHQQ", name, 0x12, 0, 1, code_at, 6) for name in names)
    parts["hash"], parts["numbers"], parts["definitions"] = table, numbers, bytes(definitions)
    parts["strings"] = bytes(strings.data)
    body, place, at = b"", {}, code_at
    for name, data in parts.items():
        place[name] = at
        data += bytes(-len(data) % 8)
        body, at = body + data, at + len(data)

    # The loader writes into this table, so that it has a page of its own.
    dynamic_at = (at + _page - 1) // _page * _page
    tags = [
        (_dt_soname, soname_at), (_dt_hash, place["hash"]), (_dt_strtab, place["strings"]),
        (_dt_symtab, place["symbols"]), (_dt_strsz, len(strings.data)), (_dt_syment, 24),
    ]  # fmt: skip
    if versions:
        tags += [
            (_dt_versym, place["numbers"]), (_dt_verdef, place["definitions"]), (_dt_verdefnum, 1 + len(versions)),
        ]  # fmt: skip
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in [*tags, (0, 0)])

    def segment(kind, flags, offset, size, alignment):
        return struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, alignment)

    # PT_LOAD, PT_LOAD, PT_DYNAMIC, PT_GNU_STACK: without the last, an executable stack would be asked for.
    segments = segment(1, 5, 0, at, _page) + segment(1, 6, dynamic_at, len(dynamic), _page)
    segments += segment(2, 6, dynamic_at, len(dynamic), 8) + segment(0x6474E551, 6, 0, 0, 16)
    header = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0)
    )
    return (header + segments + body).ljust(dynamic_at, b"\0") + dynamic


def _loads(name):
    try:
        ctypes.CDLL(name)
        return True
    except OSError:
        return False


def main(folder):
    files = [name for name in sorted(os.listdir(folder)) if re.search(r"\.so(\.\d+)*$", name)]
    libraries = [Library(os.path.join(folder, name)) for name in files]
    needed = {name for library in libraries for name in library.needed} - set(files)
    missing = sorted(name for name in needed if not _loads(name))
    others = [name for name in missing if not _nvidia.match(name)]
    if others:
        raise SystemExit(f"libraries of this system are missing: {', '.join(others)}")
    defined = {name for library in libraries for name in library.defined}
    asked = {symbol for library in libraries for symbol in library.undefined}
    free = {
        (name, None) for name, file, _ in asked if file is None and _nvidia_symbol.match(name) and name not in defined
    }
    for soname in missing:
        symbols = {(name, version) for name, file, version in asked if file == soname}
        # Functions asked of no library in particular have to be somewhere.
        data = make_stand_in(soname, symbols | (free if soname == missing[0] else set()))
        with open(os.path.join(folder, soname), "xb") as file:
            file.write(data)
        print(soname)


if __name__ == "__main__":
    main(sys.argv[1])
