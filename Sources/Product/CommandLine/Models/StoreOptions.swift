// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelStore

/// Where models that are given by name come from.
struct StoreOptions: ParsableArguments {
    @Option(
        name: .customLong("quant"),
        help: ArgumentHelp(
            """
            Quantization of a model that is given by name, such as Q4_K_M. (default: one that is on this machine, or \
            Q4_K_M, Q4_0, or the first)
            """, valueName: "format"))
    var quantisation: String?

    @OptionGroup private var folder: StoreFolderOption

    func validate() throws {
        if quantisation?.isEmpty == true { throw ValidationError("--quant is empty") }
    }

    /// The store that the options name.
    func store() throws -> ModelStore { try folder.store() }

    /// Reads what was given for a model, with the quantisation of `--quant`; nil for a path.
    ///
    /// - Throws: `ValidationError` if it is neither a path nor a name.
    func name(_ given: String) throws -> ModelName? {
        do {
            guard let name = try ModelName(given) else {
                guard quantisation == nil else {
                    throw ValidationError("--quant needs a model's name, but \(given) is a file")
                }
                return nil
            }
            return try quantisation.map { try name.quantised($0) } ?? name
        } catch let error as ModelStoreError {
            throw ValidationError("\(error)")
        }
    }

    /// The files of a model that was given by name, which are fetched if they are not here; nil for a path.
    func files(of given: String, _ parts: PullParts, quiet: Bool) throws -> ModelFiles? {
        guard let name = try name(given) else { return nil }
        let store = try store()
        if let files = try store.find(name, parts) { return files }
        let report = PullReport(quiet: quiet)
        defer { report.finish() }
        return try waiting {
            try await store.pull(name, parts) { report.show($0) }
        }
    }
}

/// Where downloaded models are.
struct StoreFolderOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder of downloaded models. (default: that of Hugging Face's Python client)",
            valueName: "folder"),
        completion: .directory)
    var cacheDir: String?

    func validate() throws {
        if cacheDir?.isEmpty == true { throw ValidationError("--cache-dir is empty") }
    }

    /// The store in that folder.
    func store() throws -> ModelStore { try ModelStore(cacheFolder: cacheDir) }
}
