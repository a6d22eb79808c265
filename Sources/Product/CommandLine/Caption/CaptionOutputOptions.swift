// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning

/// Where captions go.
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
            "Write these files below this folder, in the pictures' subfolders, instead of beside the "
                + "pictures.", valueName: "folder"),
        completion: .directory)
    var outputDir: String?

    @Option(help: "What to do if such a file exists: skip the picture, or change the file.")
    var existing: Sidecars.Existing = .skip

    @Option(
        help: ArgumentHelp(
            "At the end, write file names and captions as Hugging Face's metadata.jsonl.",
            valueName: "file"),
        completion: .file())
    var metadata: String?

    @Option(
        help: ArgumentHelp(
            "At the end, write the records as comma-separated values.", valueName: "file"),
        completion: .file())
    var csv: String?

    @Option(
        help: ArgumentHelp(
            "At the end, write pictures and captions as webdataset shards.", valueName: "folder"),
        completion: .directory)
    var tar: String?

    @Option(
        help: ArgumentHelp("Write totals and times of the run as JSON.", valueName: "file"),
        completion: .file())
    var summary: String?

    func validate() throws {
        if resume, recordsFile == nil, sidecars == nil {
            throw ValidationError("--resume needs -o FILE, the file to continue")
        }
        if let sidecarExtension,
            !sidecarExtension.hasPrefix(".") || sidecarExtension.count < 2
                || sidecarExtension.contains(where: { "/\0".contains($0) })
        {
            throw ValidationError(
                "--sidecar is \(sidecarExtension), expected an extension such as .txt")
        }
        if sidecars == nil, existing != .skip {
            throw ValidationError("--existing needs --sidecar or --output-dir")
        }
        if existing == .append || existing == .prepend, recordsFile == nil {
            throw ValidationError(
                "--existing \(existing.rawValue) needs -o FILE: without records, a second run would "
                    + "\(existing.rawValue) again")
        }
        if output == "-", !exports.isEmpty {
            throw ValidationError(
                "--metadata, --csv and --tar are made from records in a file: give -o FILE, or no -o"
            )
        }
        for path in [output, outputDir, summary] + exports where path?.isEmpty == true {
            throw ValidationError("a path of the output is empty")
        }
    }

    private var exports: [String] { [metadata, csv, tar].compactMap(\.self) }

    /// The file of records, where there is one: beside what is made from it, unless it has a name.
    private var recordsFile: FilePath? {
        guard let output else { return exports.first.map { FilePath($0).adding(".records") } }
        return output == "-" ? nil : FilePath(output)
    }

    /// Writes what is made from the records.
    ///
    /// - Parameter isComplete: whether every picture that can have captions has them.
    func export(
        _ output: CaptionOutput, _ pictures: PictureInputs, part: Shard?, isComplete: Bool
    ) throws {
        guard !exports.isEmpty else { return }
        let table = try output.table()
        if let metadata { try MetadataExport.write(table, to: FilePath(metadata)) }
        if let csv { try CSVExport.write(table, to: FilePath(csv)) }
        if let tar, isComplete {
            try ShardExport(table, to: FilePath(tar), part: part).write(pictures.pictures)
        }
    }

    var records: CaptionOutput.Records {
        if let recordsFile { return .file(recordsFile) }
        return output == "-" || sidecars == nil ? .standardOutput : .none
    }

    var sidecars: Sidecars? {
        guard sidecarExtension != nil || outputDir != nil else { return nil }
        return Sidecars(
            suffix: sidecarExtension ?? ".txt", in: outputDir.map { FilePath($0) },
            existing: existing)
    }

    /// What to do after a run that did not come to its end.
    func continuation(left: Int) -> String {
        let pictures = left == 1 ? "1 picture is" : "\(left) pictures are"
        let advice =
            recordsFile != nil
            ? "repeat the command with --resume to continue"
            : sidecars != nil && existing == .skip
                ? "repeat the command to continue" : "only a run with -o FILE can be continued"
        return "\(pictures) left; \(advice)"
    }
}

extension Sidecars.Existing: ExpressibleByArgument {}
