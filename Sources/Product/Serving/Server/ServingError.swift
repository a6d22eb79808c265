// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import TrimLLaVA

/// Why a server cannot run.
public enum ServingError: Error, Equatable, CustomStringConvertible {
    /// The address cannot be listened on.
    case address(String, reason: String)
    /// The host to listen on has no address.
    case unknownHost(String, reason: String)
    /// A file of the certificate cannot be used.
    case certificate(file: String, reason: String)
    /// A file with keys cannot be used.
    case keys(file: String, reason: String)
    /// What the server's parts say.
    case other(String)

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .address(let address, let reason): "cannot listen on \(address): \(reason)"
        case .unknownHost(let host, let reason):
            "the host to listen on, \(host), has no address on this machine: \(reason)"
        case .certificate(let file, let reason): "\(file): cannot be used for HTTPS: \(reason)"
        case .keys(let file, let reason): "\(file): \(reason)"
        case .other(let text): text
        }
    }

    init(_ error: any Error, _ address: ServingOptions.Address) {
        switch error {
        case let error as ServingError: self = error
        case let error as IOError:
            self = .address("\(address)", reason: String(cString: strerror(error.errnoCode)))
        case let error as SocketAddressError.UnknownHost:
            self = .unknownHost(error.host, reason: error.errorDescription)
        default: self = .other("\(error)")
        }
    }
}

extension ServingOptions.Address: CustomStringConvertible {
    /// As a person writes it.
    public var description: String {
        switch self {
        case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixSocket(let path): path
        }
    }
}
