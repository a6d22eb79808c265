// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What the environment says about stores of models and the way to the Hub.
///
/// The variables are those of Hugging Face's Python client and of ollama.
struct StoreSettings: Sendable, Equatable {
    /// The folder of the Hub's files.
    let cacheFolder: String
    /// The stores of ollama that may exist.
    let ollamaFolders: [String]
    /// The address of the Hub, without a slash at its end.
    let endpoint: URL
    /// What shows the Hub who asks; nil for nobody.
    let token: String?
    /// Whether downloads are forbidden.
    let isOffline: Bool
    /// Which proxy a request goes through.
    let proxies: ProxySettings

    /// Reads an environment.
    ///
    /// - Parameter cacheFolder: the folder of the Hub's files, instead of the one that the environment names.
    /// - Throws: `ModelStoreError.badEnvironment`.
    init(_ environment: [String: String], cacheFolder: String?) throws(ModelStoreError) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        let home = value("HOME") ?? NSHomeDirectory()
        func folder(_ path: String) -> String {
            path == "~" || path.hasPrefix("~/") ? home + path.dropFirst() : path
        }
        let hubHome = folder(
            value("HF_HOME") ?? (value("XDG_CACHE_HOME") ?? "~/.cache") + "/huggingface")
        self.cacheFolder = folder(
            cacheFolder ?? value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? hubHome + "/hub")
        ollamaFolders =
            value("OLLAMA_MODELS").map { [folder($0)] }
            ?? [folder("~/.ollama/models"), "/usr/share/ollama/.ollama/models"]
        endpoint = try Self.endpoint(value("HF_ENDPOINT") ?? "https://huggingface.co")
        isOffline = Self.isTrue(value("HF_HUB_OFFLINE") ?? value("TRANSFORMERS_OFFLINE"))
        let tokenFile = folder(value("HF_TOKEN_PATH") ?? hubHome + "/token")
        let stored =
            Self.isTrue(value("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
            ? nil : FileManager.default.contents(atPath: tokenFile)
        token = try Self.token(
            value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
                ?? stored.map { String(decoding: $0, as: UTF8.self) })
        proxies = try ProxySettings(environment)
    }

    private static func endpoint(_ text: String) throws(ModelStoreError) -> URL {
        var text = text
        while text.hasSuffix("/") { text.removeLast() }
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""),
            url.host()?.isEmpty == false
        else {
            throw .badEnvironment(
                variable: "HF_ENDPOINT", problem: "is '\(text)', expected http://… or https://…")
        }
        return url
    }

    /// A token that can be a header's value; nil for an empty one.
    private static func token(_ text: String?) throws(ModelStoreError) -> String? {
        let token = text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        guard !token.isEmpty else { return nil }
        guard token.unicodeScalars.allSatisfy({ (33...126).contains($0.value) }) else {
            throw .badEnvironment(
                variable: "HF_TOKEN", problem: "has characters that no token has: expected hf_…")
        }
        return token
    }

    /// Whether a variable is switched on, by the rule of the Python client.
    private static func isTrue(_ value: String?) -> Bool {
        ["1", "on", "yes", "true"].contains(value?.lowercased() ?? "")
    }
}
