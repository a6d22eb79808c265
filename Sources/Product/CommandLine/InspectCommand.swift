// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Families
import GGUF
import Tokenization
import TrimLLaVA

/// `trimllava inspect`: prints the content of a GGUF file, or how this machine is used.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract:
            "Prints what a GGUF file holds, or which kernels run on this processor.",
        discussion: "For a split file, name its first part.")

    @Argument(
        help: ArgumentHelp("A GGUF file, or a model's name.", valueName: "file"),
        completion: .file())
    var path: String?

    @Flag(help: "Print which kernels run on this processor, on how many threads, and why.")
    var cpu = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Number of elements to print of each array. (default: 6; all with --json)",
            valueName: "n"))
    var arrayLimit: Int?

    @OptionGroup var store: StoreOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions
    @OptionGroup(title: "Memory") var memory: MemoryOptions

    func validate() throws {
        if (path == nil) != cpu { throw ValidationError("give a GGUF file, or --cpu") }
        if let path, memory.keep != nil, memory.mmproj == nil, try store.name(path) == nil {
            throw ValidationError(
                "--keep needs --mmproj, which determines how many visual tokens a picture has")
        }
        if let arrayLimit, arrayLimit < 0 {
            throw ValidationError("--array-limit is \(arrayLimit), expected 0 or more")
        }
    }

    func run() throws {
        guard let path else {
            let report = try ProcessorReport()
            return try writeOutput(json ? report.json() : report.text)
        }
        try sandbox.close { rules in
            for file in [path, memory.mmproj].compactMap(\.self) { rules.read(partsOf: file) }
        }
        let file = try GGUFFile(path: path)
        if memory.memory {
            let report = MemoryReport(try memory.estimate(file))
            try writeOutput(json ? report.json() : report.text)
        } else if json {
            try writeOutput(inspectionJSON(file, arrayLimit: arrayLimit ?? .max))
        } else {
            try writeOutput(inspectionText(file, arrayLimit: arrayLimit ?? 6))
        }
    }
}

extension GGUFFile {
    /// The prompt template that a text model was trained with, as the other commands find it; nil where the file does not
    /// tell.
    var promptTemplate: ChatTemplate? {
        guard let tokenizer = try? Tokenizer(metadata: metadata) else { return nil }
        return ChatTemplate.detect(metadata: metadata, tokenizer: tokenizer)
    }
}
