// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Repeats a system call as long as signals interrupt it, as they do on network file systems.
///
/// - Parameter call: returns −1 with `errno` set on failure.
public func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        guard result == -1, errno == EINTR else { return result }
    }
}

/// Writes all bytes to an open file; false with `errno` set on failure.
public func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = uninterrupted {
            write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        }
        guard count >= 0 else { return false }
        rest = rest.dropFirst(count)
    }
    return true
}

/// Writes all bytes to an open file; false with `errno` set on failure.
public func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { writeAll($0, to: descriptor) }
}

/// Reads bytes of an open file from an offset on; nil with `errno` set on failure.
///
/// - Returns: `count` bytes, or fewer at the end of the file.
public func readAll(_ count: Int, at offset: Int, of descriptor: Int32) -> [UInt8]? {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
        while done < count {
            let place = buffer.baseAddress.map { $0 + done }
            let (wanted, start) = (count - done, off_t(offset + done))
            let read = uninterrupted { pread(descriptor, place, wanted, start) }
            failed = read < 0
            guard read > 0 else { return }
            done += read
        }
    }
    return failed ? nil : bytes
}
