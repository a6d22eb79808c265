// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// Why a model is not found or not downloaded.
public enum ModelStoreError: Error, Equatable {
    /// A name is not of the form that its prefix asks for.
    case badName(name: String, expected: String)
    /// A word is neither a file nor a name in the table.
    case unknownName(name: String, known: [String])
    /// The environment has a value that cannot be used.
    case badEnvironment(variable: String, problem: String)
    /// A repository has no text model in the quantisation that was asked for.
    case noQuantisation(repository: String, wanted: String, available: [String])
    /// A place has no GGUF file with a text model.
    case noTextModel(place: String)
    /// A text model's place has no vision tower.
    case noProjector(name: String, place: String)
    /// No store of ollama has the model.
    case ollamaModelMissing(name: String, manifests: [String])
    /// A manifest of ollama cannot be used.
    case ollamaManifest(file: String, problem: String)
    /// A file that a manifest of ollama names is missing or incomplete.
    case ollamaBlob(manifest: String, blob: String, problem: String)
    /// The model is not in the cache, and the environment forbids the network.
    case offline(name: String, cache: String)
    /// The server cannot be reached.
    case unreachable(server: String, reason: String)
    /// The server does not show the repository to this user; `status` is 401 or 403.
    case accessRefused(repository: String, status: Int, hasToken: Bool)
    /// The repository, or the file in it, does not exist.
    case notFound(repository: String, file: String?)
    /// The server's answer cannot be used.
    case badAnswer(address: String, problem: String)
    /// A download failed as often as it is tried; `have` of `size` bytes are kept for the next try.
    case interrupted(file: String, have: Int, size: Int, reason: String)
    /// A downloaded file is not the one that the server announced.
    case damaged(file: String, expected: String, found: String)
    /// The file system has too little room.
    case noSpace(folder: String, needed: Int, available: Int)
    /// A file of the cache cannot be written.
    case file(FileOutputError)
}

extension ModelStoreError {
    /// What can be done about an error.
    public enum Kind: String, Sendable, CaseIterable {
        /// Give another name, or set the environment otherwise.
        case badInput
        /// The model or a file of it does not exist.
        case notFound
        /// Get access: a token, or the consent that the repository asks for.
        case access
        /// Try again when the network or the server works.
        case network
        /// What came is not what was announced; try again, or tell its publisher.
        case damaged
        /// Make room, or give another folder.
        case storage
    }

    /// What can be done about it.
    public var kind: Kind {
        switch self {
        case .badName, .unknownName, .badEnvironment: .badInput
        case .noQuantisation, .noTextModel, .noProjector, .ollamaModelMissing, .notFound: .notFound
        case .accessRefused: .access
        case .offline, .unreachable, .interrupted: .network
        case .ollamaManifest, .ollamaBlob, .badAnswer, .damaged: .damaged
        case .noSpace, .file: .storage
        }
    }
}

extension ModelStoreError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .badName(let name, let expected):
            "'\(name)' is not a model's name: expected \(expected)"
        case .unknownName(let name, let known):
            "'\(name)' is neither a file nor a model's name: expected a path, hf:OWNER/REPO, ollama:NAME or one of "
                + known.joined(separator: ", ")
        case .badEnvironment(let variable, let problem):
            "the environment's \(variable) \(problem)"
        case .noQuantisation(let repository, let wanted, let available):
            "\(repository) has no \(wanted): it has \(available.joined(separator: ", "))"
        case .noTextModel(let place): "\(place) has no text model in a GGUF file"
        case .noProjector(let name, let place):
            "\(place) has no vision tower (mmproj) for \(name), expected a second GGUF file"
        case .ollamaModelMissing(let name, let manifests):
            "ollama has no model \(name): there is no \(manifests.joined(separator: " and no ")); "
                + "\"ollama pull \(name)\" fetches it"
        case .ollamaManifest(let file, let problem): "\(file): \(problem)"
        case .ollamaBlob(let manifest, let blob, let problem):
            "\(blob): \(problem); the manifest \(manifest) names it"
        case .offline(let name, let cache):
            "\(name) is not in \(cache), and HF_HUB_OFFLINE forbids downloads"
        default: networkDescription
        }
    }

    private var networkDescription: String {
        switch self {
        case .unreachable(let server, let reason):
            "cannot reach \(server): \(reason); without a network, only models that are in the cache can be used"
        case .accessRefused(let repository, 403, _):
            "\(repository): the server refuses access (403): the repository asks for consent on its page, or the "
                + "token in HF_TOKEN may not read it"
        case .accessRefused(let repository, let status, let hasToken):
            "\(repository): the server refuses access (\(status)): "
                + (hasToken
                    ? "the repository does not exist, or the token in HF_TOKEN may not read it"
                    : "the repository does not exist, or it is private and needs a token in HF_TOKEN")
        case .notFound(let repository, nil): "\(repository): there is no such repository (404)"
        case .notFound(let repository, let file?):
            "\(repository): there is no file '\(file)' in it (404)"
        case .badAnswer(let address, let problem): "\(address): \(problem)"
        case .interrupted(let file, let have, let size, let reason):
            "\(file): the download stopped at \(have) of \(size) bytes: \(reason); the same command continues it"
        case .damaged(let file, let expected, let found):
            "\(file): the downloaded file is damaged and was deleted: expected \(expected), found \(found)"
        case .noSpace(let folder, let needed, let available):
            "\(folder): the download needs \(needed) bytes, and the file system has \(available)"
        case .file(let error): "\(error)"
        default: ""
        }
    }
}
