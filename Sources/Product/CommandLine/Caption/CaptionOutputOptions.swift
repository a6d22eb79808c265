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

    @Flag(help: "Go on after the captions that the output file has.")
    var resume = false

    @Flag(help: "Write records in the order of the pictures, not as they are finished.")
    var ordered = false

    @Option(
        name: .customLong("sidecar"),
        help: ArgumentHelp(
            "Write each caption to a file named as its picture, with this extension.",
            valueName: ".txt"))
    var sidecarExtension: String?

    @Option(
        help: ArgumentHelp(
            "Put these files into a folder, with the folders that pictures are in, and not beside the "
                + "pictures.", valueName: "folder"),
        completion: .directory)
    var outputDir: String?

    @Option(help: "What to do with such a file that is there: skip its picture, or change it.")
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
        help: ArgumentHelp("Write what the run was and cost as JSON.", valueName: "file"),
        completion: .file())
    var summary: String?

    func validate() throws {
        if resume, recordsFile == nil, sidecars == nil {
            throw ValidationError("--resume needs the file that it goes on with: -o FILE")
        }
        if let sidecarExtension,
            !sidecarExtension.hasPrefix(".") || sidecarExtension.count < 2
                || sidecarExtension.contains(where: { "/\0".contains($0) })
        {
            throw ValidationError(
                "--sidecar is \(sidecarExtension), expected an extension such as .txt")
        }
        if sidecars == nil, existing != .skip {
            throw ValidationError("--existing goes with --sidecar or --output-dir")
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
        let table = try output.table(of: pictures)
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
            ? "the same command with --resume goes on"
            : sidecars != nil && existing == .skip
                ? "the same command goes on" : "with -o FILE, --resume could go on"
        return "\(pictures) left; \(advice)"
    }
}

extension Sidecars.Existing: ExpressibleByArgument {}
