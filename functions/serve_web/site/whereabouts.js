// Where the pieces of a run are in SageMaker and in S3, as commands to copy.

import { command, h } from "./dom.js";

/** Collapsed; `target` is s3://<bucket>/data/<model>/, `versions` the model's. Nothing before the run has made a data set. */
export function whereabouts(model, versions, target) {
  const run = model.last_run;
  if (!run?.dataset_version) return null;
  const bucket = target.split("/data/")[0];
  const made = versions.find((version) => version.run === run.run);
  const found = [
    ["Data set", `aws s3 ls --recursive ${bucket}/datasets/${model.model}/${run.dataset_version}/`],
    run.preparation?.job && ["Processing job", `aws sagemaker describe-processing-job --processing-job-name ${run.preparation.job}`],
    run.tuning?.job && ["Tuning job", `aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name ${run.tuning.job}`],
    run.training_job && ["Training job", `aws sagemaker describe-training-job --training-job-name ${run.training_job}`],
    run.training_job && ["Its artifact", `aws s3 ls --recursive ${bucket}/artifacts/${model.model}/${run.training_job}/`],
    ...(run.transform_jobs ?? []).map((job) => [
      job.endsWith("-c") ? "Transform job of the version that serves" : "Transform job over the rows held out",
      `aws sagemaker describe-transform-job --transform-job-name ${job}`,
    ]),
    made?.model_package_arn && ["Model package", `aws sagemaker describe-model-package --model-package-name ${made.model_package_arn}`],
    model.live?.endpoint && ["Endpoint", `aws sagemaker describe-endpoint --endpoint-name ${model.live.endpoint}`],
  ].filter(Boolean);
  return h(
    "details",
    { className: "whereabouts" },
    h("summary", {}, "In SageMaker and S3"),
    found.map(([what, text]) => h("div", {}, h("p", { className: "sub" }, what), command(text))),
  );
}
