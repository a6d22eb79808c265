// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// Why a process has no sandbox.
///
/// Codes are the operating system's, such as `ENOSYS`.
public enum SandboxError: Error, Equatable {
    /// The operating system or the processor is none that sandboxes are made for.
    case unsupportedSystem
    /// The kernel has no Landlock, or it was not enabled at boot.
    case noLandlock(code: Int32)
    /// The kernel does not filter system calls.
    case noFilter(code: Int32)
    /// A path that the rules name cannot be opened or cannot have rules.
    case path(String, code: Int32)
    /// The kernel refuses to restrict access to files; threads are one reason.
    case files(code: Int32)
    /// The kernel refuses to filter system calls.
    case calls(code: Int32)
}

extension SandboxError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unsupportedSystem:
            "no sandbox: expected Linux on x86-64 or AArch64"
        case .noLandlock(let code):
            "no sandbox: this kernel has no Landlock, or it is not among the security modules that were enabled at boot: "
                + systemReason(code)
        case .noFilter(let code):
            "no sandbox: this kernel does not filter system calls (seccomp): \(systemReason(code))"
        case .path(let path, let code):
            "no sandbox: \(path): \(systemReason(code))"
        case .files(let code):
            "no sandbox: access to files cannot be restricted: \(systemReason(code))"
        case .calls(let code):
            "no sandbox: system calls cannot be filtered: \(systemReason(code))"
        }
    }
}
