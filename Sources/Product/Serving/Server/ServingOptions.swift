// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

/// What a server offers, and to whom.
public struct ServingOptions: Sendable {
    /// Where a server listens.
    public enum Address: Sendable, Equatable {
        /// A name or an address, and a port; 0 for a free one.
        case host(String, port: Int)
        /// A socket in the file system.
        case unixSocket(path: String)
    }

    /// The files of a certificate chain and its key, in PEM.
    public struct Certificate: Sendable {
        /// The certificates, the server's own first.
        public var chain: String
        /// The private key.
        public var key: String

        /// The files of a certificate and its key.
        public init(chain: String, key: String) {
            self.chain = chain
            self.key = key
        }
    }

    /// Where it listens.
    public var address = Address.host("127.0.0.1", port: 8080)
    /// For HTTPS; nil for HTTP.
    public var certificate: Certificate?
    /// What clients must show one of; empty for none.
    public var keys: [String] = []
    /// Pages that may make requests, as browsers write their origins; `*` for all.
    public var origins: [String] = []
    /// Where `file://` addresses may lead; nil for nowhere.
    public var mediaFolder: String?
    /// What the model is called.
    public var modelName = "llava"
    /// Bytes of the model's files.
    public var modelBytes = 0
    /// Whether the model is the demonstration's.
    public var isDemonstration = false
    /// Answers that are generated at the same time; nil for as many as there is memory for.
    public var parallel: Int?
    /// What a request that does not say keeps of its pictures; nil for all.
    public var pruning: PruningOptions?
    /// What a request that does not say is selected by.
    public var defaults = PruningOptions(budget: .automatic)
    /// The prompt template; nil for the one that the model asks for.
    public var template: ChatTemplate?
    /// What clients may ask.
    public var limits = ServingLimits()

    /// A server for this machine alone.
    public init() {}
}
