// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Room on file systems.
public enum FreeSpace {
    /// Bytes that this user may still write below a folder, which need not exist yet; nil if the system does not say.
    public static func bytes(at folder: FilePath) -> Int? {
        var place = folder
        while FileStatus(place) == nil {
            guard place.folder != place else { return nil }
            place = place.folder
        }
        var status = statvfs()
        guard place.withCString({ statvfs($0, &status) }) == 0 else { return nil }
        let (bytes, overflow) = Int(clamping: status.f_bavail)
            .multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
        return overflow ? .max : bytes
    }
}
