// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput
import Sandboxing

/// The outputs of the captions.
struct CaptionOutputOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            """
            Append a line of JSON per caption and per failure to a file, or - for standard output. \
            (default: standard output, if there is no other output)
            """, valueName: "file"),
        completion: .file())
    var output: String?

    @Flag(help: "Continue a run: keep the captions that the output file has.")
    var resume = false

    @Flag(help: "Write records in the order of the pictures, not as captions finish.")
    var ordered = false

    @Option(
        name: .customLong("sidecar"),
        help: ArgumentHelp(
            "Write each caption to a text file named after its picture, with this extension.",
            valueName: ".txt"))
    var sidecarExtension: String?

    @Option(
        help: ArgumentHelp(
            """
            Write these files below this folder, in the pictures' subfolders, instead of beside the \
            pictures. If several inputs are folders, their names become subfolders too.
            """, valueName: "folder"),
        completion: .directory)
    var outputDir: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Text between the captions of several prompts in one file. (default: a line end)",
            valueName: "text"))
    var join: String?

    @Option(
        help: """
            What to do if such a file exists: skip the picture, or change the file. With overwrite, \
            --metadata also replaces texts that are in no record.
            """)
    var existing: Sidecars.Existing = .skip

    @Option(
        help: ArgumentHelp(
            """
            At the end, write captions into Hugging Face's metadata.jsonl, in the pictures' folder or above \
            it. Other rows and columns stay.
            """, valueName: "file"),
        completion: .file())
    var metadata: String?

    @Option(
        help: ArgumentHelp(
            "At the end, write the records as comma-separated values; - for standard output.",
            valueName: "file"),
        completion: .file())
    var csv: String?

    @Option(
        help: ArgumentHelp(
            "At the end, write pictures and captions as webdataset shards.", valueName: "folder"),
        completion: .directory)
    var tar: String?

    @Option(
        help: ArgumentHelp(
            "Write totals and times of the run as JSON; - for standard output.", valueName: "file"),
        completion: .file())
    var summary: String?

    func validate() throws {
        if metadata == "-" { throw ValidationError("--metadata needs a file beside the pictures") }
        if tar == "-" { throw ValidationError("--tar needs a folder") }
        if output == nil, !exports.isEmpty, recordsFile == nil {
            throw ValidationError("--csv \(csv ?? "-") needs -o FILE, which keeps the records")
        }
        if resume, recordsFile == nil, !hasSidecars {
            throw ValidationError("--resume needs -o FILE, the file to continue")
        }
        if let sidecarExtension,
            !sidecarExtension.hasPrefix(".") || sidecarExtension.count < 2
                || sidecarExtension.contains(where: { "/\0".contains($0) })
        {
            throw ValidationError(
                "--sidecar is \(sidecarExtension), expected an extension such as .txt")
        }
        if let sidecarExtension,
            PictureReference.extensions.contains(FilePath("a" + sidecarExtension).fileExtension)
        {
            throw ValidationError(
                "--sidecar is \(sidecarExtension), an extension of pictures; expected another, such as "
                    + ".txt")
        }
        if !hasSidecars, existing != .skip, !(existing == .overwrite && metadata != nil) {
            throw ValidationError(
                "--existing needs --sidecar or --output-dir; overwrite also works with --metadata")
        }
        if !hasSidecars, tar == nil, join != nil {
            throw ValidationError("--join needs --sidecar, --output-dir or --tar")
        }
        if existing == .append || existing == .prepend, recordsFile == nil {
            throw ValidationError(
                "--existing \(existing.rawValue) needs -o FILE: without records, a second run would "
                    + "\(existing.rawValue) the captions again")
        }
        if output == "-", !exports.isEmpty {
            throw ValidationError(
                "--metadata, --csv and --tar need records in a file: give -o FILE, or no -o"
            )
        }
        for path in [output, outputDir, summary] + exports where path?.isEmpty == true {
            throw ValidationError("the path of an output is empty")
        }
    }

    private var exports: [String] { [metadata, csv, tar].compactMap(\.self) }

    private var hasSidecars: Bool { sidecarExtension != nil || outputDir != nil }

    /// The record file, if there is one.
    ///
    /// Without `-o` it lies beside the file that is made from it.
    private var recordsFile: FilePath? {
        guard let output else {
            return exports.first(where: Self.hasPlaceBeside)
                .map { FilePath($0).adding(".records") }
        }
        return output == "-" ? nil : FilePath(output)
    }

    /// Whether a file of records may lie beside an output: not beside pipes and devices, nor in `/dev`, where
    /// `stdout` is a link to whatever the shell opened.
    private static func hasPlaceBeside(_ path: String) -> Bool {
        guard path != "-", FileStatus(FilePath(path))?.kind != .other else { return false }
        let folder = FilePath(path).folder
        let steps = (folder.resolved() ?? folder).bytes.split(separator: UInt8(ascii: "/"))
        return ![Array("dev".utf8)[...], Array("proc".utf8)[...]].contains(steps.first ?? [])
    }

    /// Writes the outputs that are made from the records.
    ///
    /// - Parameters:
    ///   - isComplete: whether all pictures that can be captioned are.
    ///   - onKept: called with the number of texts of the metadata that were kept although captions differ.
    ///   - onChanged: called with a message for each picture that shards lack, because it has changed.
    /// - Returns: the number of these pictures.
    func export(
        _ output: CaptionOutput, _ pictures: PictureInputs, _ job: RecordIdentity, part: Shard?,
        isComplete: Bool, onKept: (Int) -> Void, onChanged: (String) -> Void
    ) throws -> Int {
        guard !exports.isEmpty else { return 0 }
        let table = try output.table(of: pictures)
        if let metadataExport { onKept(try metadataExport.write(table)) }
        if let csv { try CSVExport.write(table, to: FilePath(csv)) }
        guard isComplete, let shards = shards(of: job, part: part) else { return 0 }
        let changed = try shards.write(pictures.pictures, table)
        for failure in changed { onChanged("\(failure)") }
        return changed.count
    }

    private var metadataExport: MetadataExport? {
        metadata.map { MetadataExport(to: FilePath($0), replaces: existing == .overwrite) }
    }

    private func shards(of job: RecordIdentity, part: Shard?) -> ShardExport? {
        guard let tar, let recordsFile else { return nil }
        return ShardExport(
            to: FilePath(tar), of: job, records: recordsFile, part: part,
            joint: join ?? Sidecars.lineEnd)
    }

    /// Claims the outputs, and refuses those that could not be written at the end.
    func check(
        _ files: inout FileClaims, _ pictures: PictureInputs, _ sidecars: Sidecars?,
        _ job: RecordIdentity, part: Shard?
    ) throws {
        switch records {
        case .file(let path):
            try files.writes(path, as: output == nil ? "the records in" : "-o")
        case .standardOutput: try files.writes(.standardStream)
        case .none: break
        }
        let named = [(metadata, "--metadata"), (csv, "--csv"), (summary, "--summary")]
        for case (let path?, let option) in named {
            try files.writes(FilePath(path), as: option)
        }
        let shards = shards(of: job, part: part)
        for path in shards?.paths(pictures.pictures) ?? [] { try files.writes(path, as: "--tar") }
        if sidecars != nil || files.mayOverwrite { try files.reads(pictures) }
        for picture in pictures.pictures {
            guard let sidecars else { break }
            try files.check(writing: sidecars.path(for: picture), as: "the caption in")
        }
        do {
            try metadataExport?.check(pictures.pictures)
            try shards?.check(pictures.pictures)
        } catch {
            switch error {
            case .outsideMetadata, .sameShard: throw ValidationError("\(error)")
            default: throw error
            }
        }
        for path in named.compactMap(\.0) {
            try OutputFolder.check(FilePath(path), makesFolders: true)
        }
        if output == nil, case .file(let path) = records { try OutputFolder.make(path.folder) }
    }

    var records: CaptionOutput.Records {
        if let recordsFile { return .file(recordsFile) }
        return output == "-" || !hasSidecars ? .standardOutput : .none
    }

    /// Whether captions go to files beside the pictures.
    var writesBesidePictures: Bool { hasSidecars && outputDir == nil }

    /// Allows what the outputs need, except sidecars beside pictures.
    ///
    /// Folders that the command makes are made before, because rules need them.
    func allow(in rules: inout SandboxRules) throws {
        for path in [metadata, csv, summary].compactMap(\.self) {
            try OutputFolder.check(FilePath(path), makesFolders: true)
            rules.write(FilePath(path))
        }
        for folder in [outputDir, tar].compactMap(\.self) {
            try OutputFolder.make(FilePath(folder))
            rules.write(below: FilePath(folder))
        }
        guard let recordsFile else { return }
        if output == nil { try OutputFolder.make(recordsFile.folder) }
        rules.write(recordsFile)
    }

    /// The sidecars of the inputs' pictures; nil without `--sidecar` and `--output-dir`.
    func sidecars(of inputs: [FilePath]) -> Sidecars? {
        guard hasSidecars else { return nil }
        return Sidecars(
            suffix: sidecarExtension ?? ".txt", in: outputDir.map { FilePath($0) },
            existing: existing, sources: inputs.filter { FileStatus($0)?.kind == .folder },
            joint: join ?? Sidecars.lineEnd)
    }

    /// Advice after a run that did not finish.
    func continuation(left: Int) -> String {
        let pictures = left == 1 ? "1 picture is" : "\(left) pictures are"
        let advice =
            recordsFile != nil
            ? "repeat the command with --resume to continue"
            : hasSidecars && existing == .skip
                ? "repeat the command to continue" : "only a run with -o FILE can be continued"
        return "\(pictures) left; \(advice)"
    }
}

extension Sidecars.Existing: ExpressibleByArgument {}

extension FileClaims {
    /// Claims the pictures that the command reads, each archive once.
    fileprivate mutating func reads(_ inputs: PictureInputs) throws(FileConflict) {
        var last: FilePath?
        for picture in inputs.pictures {
            switch picture.place {
            case .file: try reads(picture.path)
            case .member(let archive, _, _):
                if archive != last { try reads(archive) }
                last = archive
            }
        }
    }
}
