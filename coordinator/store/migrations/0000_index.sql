CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"record" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "cells" (
	"run" text NOT NULL,
	"cell" text NOT NULL,
	"position" integer NOT NULL,
	"agent" text NOT NULL,
	"repetitions" integer NOT NULL,
	CONSTRAINT "cells_run_cell_pk" PRIMARY KEY("run","cell")
);
--> statement-breakpoint
CREATE TABLE "executions" (
	"run" text NOT NULL,
	"cell" text NOT NULL,
	"repetition" integer NOT NULL,
	"attempt" integer NOT NULL,
	"status" text NOT NULL,
	"trace" text,
	"record" text NOT NULL,
	CONSTRAINT "executions_run_cell_repetition_pk" PRIMARY KEY("run","cell","repetition")
);
--> statement-breakpoint
CREATE TABLE "journal" (
	"only" integer PRIMARY KEY NOT NULL,
	"sequence" integer NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" text NOT NULL,
	"cells" integer NOT NULL,
	"agents" integer NOT NULL,
	"state" text NOT NULL,
	"cancel_requested" boolean NOT NULL,
	"resumptions" integer NOT NULL,
	"ended_at" text,
	"failure" text,
	"record" text NOT NULL,
	"report" text
);
--> statement-breakpoint
CREATE TABLE "traces" (
	"trace" text PRIMARY KEY NOT NULL,
	"object" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "runs_created_at" ON "runs" USING btree ("created_at");