// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore

/// The models on this machine, and the way to more of them.
///
/// ```swift
/// let store = try ModelStore()
/// let files = try await store.pull("llava-1.5-7b")
/// let llava = try LLaVA(text: files.text, projector: files.projector)
/// ```
///
/// Files of the Hub lie in the cache that Hugging Face's Python client has, so each finds what the other fetched.
public struct ModelStore: Sendable {
    private let settings: StoreSettings
    private let cache: HubCache
    private let ollama: OllamaStore
    /// How failed requests are repeated.
    var retries = RetryPolicy()
    /// The time after which a server that sends nothing is asked again.
    var silence = TimeAmount.seconds(30)

    /// A store.
    ///
    /// - Parameters:
    ///   - environment: `HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `OLLAMA_MODELS`, proxies.
    ///   - cacheFolder: the folder of the Hub's files, instead of the one that the environment names.
    /// - Throws: `ModelStoreError.badEnvironment`.
    public init(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        cacheFolder: String? = nil
    ) throws(ModelStoreError) {
        settings = try StoreSettings(environment, cacheFolder: cacheFolder)
        cache = HubCache(folder: settings.cacheFolder)
        ollama = OllamaStore(folders: settings.ollamaFolders)
    }

    /// The files of a model that is on this machine; nil if it must be fetched first.
    ///
    /// - Parameter parts: what must be there.
    /// - Throws: `ModelStoreError` about a model of ollama, which is not fetched.
    public func find(
        _ name: ModelName, _ parts: PullParts = .pair
    ) throws(ModelStoreError) -> ModelFiles? {
        switch name {
        case .hub(let model):
            return cache.files(of: model, parts)
        case .ollama(let model):
            let files = try ollama.files(of: model)
            if parts == .pair, files.projector == nil {
                throw .noProjector(name: files.name, place: files.place)
            }
            return files
        }
    }

    /// Finds the files of a model, and fetches from the Hub those that are missing.
    ///
    /// - Parameters:
    ///   - parts: which files are needed.
    ///   - updates: whether to ask the Hub for a newer commit even if all files are here.
    ///   - onProgress: told, on any thread, what happens.
    /// - Throws: `ModelStoreError`; what was fetched stays for the next try.
    public func pull(
        _ name: ModelName, _ parts: PullParts = .pair, updates: Bool = false,
        onProgress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> ModelFiles {
        let files = try find(name, parts)
        guard case .hub(let model) = name, files == nil || updates && !settings.isOffline else {
            guard let files else { preconditionFailure("models of ollama are found or throw") }
            return files
        }
        guard !settings.isOffline else {
            throw ModelStoreError.offline(name: "\(name)", cache: settings.cacheFolder)
        }
        let client = WebClient(settings, silence: silence)
        let server = HubServer(
            endpoint: settings.endpoint, hasToken: settings.token != nil, client: client)
        let download = ModelDownload(
            model: model, parts: parts, server: server, cache: cache, retries: retries,
            onProgress: onProgress)
        do {
            let files = try await download.run()
            await client.close()
            return files
        } catch {
            await client.close()
            throw error
        }
    }

    /// Finds or fetches the model of a name, as the command line takes them.
    ///
    /// - Throws: `ModelStoreError`, also for a path.
    public func pull(
        _ name: String, _ parts: PullParts = .pair,
        onProgress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> ModelFiles {
        guard let read = try ModelName(name) else {
            throw ModelStoreError.badName(
                name: name, expected: "a short name, hf:OWNER/REPO or ollama:NAME, and no path")
        }
        return try await pull(read, parts, onProgress: onProgress)
    }

    /// All models on this machine: those of the Hub's cache, then ollama's.
    public func models() -> [StoredModel] { cache.models() + ollama.models() }

    /// The folder of the Hub's files.
    public var cacheFolder: String { settings.cacheFolder }
}
